"""Runs the roll-out of deploy/salt over nodes that answer as they are told. Scenarios in, answers out, as JSON."""

import importlib.util
import json
import sys

spec = importlib.util.spec_from_file_location("enid_rollout", sys.argv[1])
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)
runner.__opts__ = {}


class Client:
    """Salt's LocalClient, as far as the runner uses it. A node: what is wrong with it, by the function that shows it."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.calls = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def cmd(self, tgt, fun, arg, tgt_type, timeout, kwarg, full_return):
        assert tgt_type == "list" and full_return and timeout > 0
        self.calls.append([fun, list(tgt), kwarg])
        answers = {}
        for name in tgt:
            node = self.nodes[name]
            if fun in node.get("silent", []):
                continue
            found = getattr(self, fun.replace(".", "_"))(node, kwarg)
            answers[name] = found if isinstance(found, dict) and "ret" in found else {"ret": found, "retcode": 0}
        return answers

    def test_ping(self, node, _):
        return True

    def saltutil_refresh_pillar(self, node, _):
        return True

    def saltutil_sync_all(self, node, _):
        return {}

    def enid_node_standing(self, node, _):
        degraded = node.get("degraded", [])
        well = node.get("well", True) and not degraded
        pending = {} if node.get("done") else {"enid-release": "would be unpacked"}
        return {"pending": pending, "well": well, "why": "", "degraded": degraded, "version": "0.1.0"}

    def state_apply(self, node, _):
        if "raises" in node:
            return {"ret": node["raises"], "retcode": 1}
        if "broken" in node:
            first = {"__id__": "enid-configuration", "result": False, "comment": node["broken"], "__run_num__": 1}
            second = {"__id__": "enid-installed", "result": False, "comment": "One or more requisite failed", "__run_num__": 0}
            return {"ret": {"a": second, "b": first}, "retcode": 2}
        node["done"] = True
        return {"a": {"__id__": "enid-installed", "result": True, "comment": "", "changes": {}}}

    def pillar_get(self, node, _):
        return "0.2.0"

    def enid_node_gate(self, node, options):
        fresh = [name for name in node.get("degraded", []) if name not in options["known"]]
        well = node.get("well", True) and not fresh
        return {"well": well, "why": "" if well else "not ready: subnets", "degraded": []}

    def enid_node_gate_gone(self, node, _):
        return {"well": True, "why": "", "degraded": []}


answers = []
for scenario in json.load(sys.stdin):
    nodes = scenario["nodes"]
    runner._minions = lambda target, target_type: list(nodes)
    answers.append([])
    for run in scenario["runs"]:
        for name, change in run.get("changes", {}).items():
            nodes[name] = {"done": nodes[name].get("done", False), **change}
        client = Client(nodes)
        runner.salt.client.get_local_client = lambda mopts: client
        told = []
        runner._tell = told.append
        answer = runner.run("node-*", "glob", **run.get("options", {}))
        answers[-1].append({"answer": answer, "told": told, "calls": client.calls})
json.dump(answers, sys.stdout)
