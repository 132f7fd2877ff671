"""
Rolls the state ``enid`` out over nodes in batches, and stops at the first batch after which a node is not well.

Salt's own ``batch`` goes on after failures in several releases (saltstack/salt#54521), and knows no gate between batches.
"""

import logging
import math

import salt.client
import salt.utils.minions

log = logging.getLogger(__name__)

GATES = {"ready": "enid_node.gate", "gone": "enid_node.gate_gone"}


def run(
    target="enid:node",
    target_type="grain",
    batch="10%",
    first=1,
    wait_seconds=300,
    apply_seconds=900,
    max_failed=0,
    gate="ready",
    sls="enid",
    dry_run=False,
):
    """
    Brings the minions of ``target`` to what their pillar says.

    batch
        How many nodes at a time: a number, or a share of all targets such as ``10%``.
    first
        How many nodes the first batch has: those that show whether it works.
    wait_seconds
        How long a node may take to be well, once its states are applied.
    apply_seconds
        How long the states of a batch may take.
    max_failed
        How many nodes may be unwell before it stops.
    gate
        ``ready``: well is a daemon that is ready and gives way in nothing new. ``gone``: enid is removed.
    dry_run
        Only say what would be done, in which batches.

    Answers with ``batches`` done, ``skipped`` (as they should be already) and, if it stopped, ``Error``, ``failed`` (each node
    with why) and ``not begun``. The same call goes on where it stopped: the nodes that were not well are in its first batch.

    CLI Example: ``salt-run enid_rollout.run 'node-*' glob batch=5``
    """
    if gate not in GATES:
        return {"Error": f"gate is one of {', '.join(GATES)}, not {gate}"}
    expected = sorted(_minions(target, target_type))
    if not expected:
        return {"Error": f"no minion is {target} ({target_type})"}
    with salt.client.get_local_client(mopts=__opts__) as client:
        return _roll_out(client, expected, batch, int(first), wait_seconds, apply_seconds, int(max_failed), gate, sls, dry_run)


def _roll_out(client, expected, batch, first, wait_seconds, apply_seconds, max_failed, gate, sls, dry_run):
    def ask(nodes, function, seconds, *args, **kwargs):
        """Answers by node; of a node that does not answer in time, or whose answer is an error, a text that says so."""
        found = client.cmd(nodes, function, list(args), tgt_type="list", timeout=seconds, kwarg=kwargs, full_return=True)
        return {node: _answer(found.get(node), function, seconds) for node in nodes}

    size = _size(batch, len(expected))
    away = {node: answer for node, answer in ask(expected, "test.ping", 30).items() if answer is not True}
    if away:
        return {"Error": "not begun: some nodes do not answer", "failed": {node: "does not answer" for node in away}}
    ask(expected, "saltutil.refresh_pillar", 60)
    unsynced = {
        node: answer for node, answer in ask(expected, "saltutil.sync_all", 120).items() if isinstance(answer, str)
    }
    if unsynced:
        return {"Error": "not begun: some nodes do not take the code of the states", "failed": unsynced}

    standing = ask(expected, "enid_node.standing", apply_seconds, sls)
    unclear = {node: answer for node, answer in standing.items() if not isinstance(answer, dict)}
    if unclear:
        return {"Error": "not begun: the states of some nodes cannot be looked at", "failed": unclear}
    is_done = lambda answer: not answer["pending"] and (answer["well"] or gate == "gone")
    skipped = [node for node in expected if is_done(standing[node])]
    # Of an earlier roll-out those come first that it stopped at: as they should be, and not well.
    to_do = sorted(
        (node for node in expected if node not in skipped),
        key=lambda node: (bool(standing[node]["pending"]), expected.index(node)),
    )
    batches = _batches(to_do, first, size)
    if dry_run:
        pending = {node: standing[node]["pending"] or {"gate": standing[node]["why"]} for node in to_do}
        return {"batches": batches, "skipped": skipped, "pending": pending}

    done, failed = [], {}
    for number, nodes in enumerate(batches, start=1):
        _tell(f"batch {number} of {len(batches)}: {', '.join(nodes)}")
        failed.update(_batch(ask, nodes, standing, gate, sls, wait_seconds, apply_seconds))
        if len(failed) > max_failed:
            waiting = [node for later in batches[number:] for node in later]
            why = "; ".join(f"{node}: {reason}" for node, reason in failed.items())
            return {
                "Error": f"stopped after batch {number} of {len(batches)}: {why}",
                "batches": done,
                "skipped": skipped,
                "failed": failed,
                "not begun": waiting,
            }
        done.append(nodes)
    return {"batches": done, "skipped": skipped, "failed": failed}


def _batch(ask, nodes, standing, gate, sls, wait_seconds, apply_seconds):
    """Applies the states, then asks the gate of those where they succeeded. Why not, by node."""
    applied = ask(nodes, "state.apply", apply_seconds, sls, queue=True)
    failed = {node: why for node, why in ((node, _why_failed(answer)) for node, answer in applied.items()) if why}
    ended = [node for node in nodes if node not in failed]
    alike = {}
    for node, version in (ask(ended, "pillar.get", 60, "enid:version").items() if ended else ()):
        alike.setdefault((str(version), tuple(standing[node]["degraded"])), []).append(node)
    for (version, known), of_them in alike.items():
        options = {"version": version, "wait_seconds": wait_seconds, "known": list(known)}
        for node, answer in ask(of_them, GATES[gate], wait_seconds + 60, **options).items():
            if not isinstance(answer, dict):
                failed[node] = answer
            elif not answer["well"]:
                failed[node] = answer["why"]
    return failed


def _why_failed(answer):
    if isinstance(answer, str):
        return answer
    if not isinstance(answer, dict):
        return "; ".join(answer) if isinstance(answer, list) else f"state.apply answers {answer!r}"
    reasons = [
        f"{state.get('__id__', key)}: {state.get('comment', '').strip()}"
        for key, state in sorted(answer.items(), key=lambda item: item[1].get("__run_num__", 0))
        if state.get("result") is False
    ]
    # What comes after a failure only says that it needed it.
    own = [reason for reason in reasons if "One or more requisite failed" not in reason]
    return "; ".join(own or reasons)


def _answer(found, function, seconds):
    if not isinstance(found, dict) or "ret" not in found:
        return f"does not answer {function} within {seconds} s"
    answer = found["ret"]
    # Of failed states `ret` says which; of a function that failed it is the text of the error.
    if found.get("retcode", 0) != 0 and not isinstance(answer, (dict, list)):
        return f"{function}: {str(answer).strip()}"
    if isinstance(answer, str) and function != "pillar.get":
        return f"{function}: {answer}"
    return answer


def _batches(nodes, first, size):
    head, rest = nodes[:first], nodes[first:]
    return [part for part in [head, *(rest[at : at + size] for at in range(0, len(rest), size))] if part]


def _size(batch, count):
    text = str(batch).strip()
    size = math.floor(count * float(text[:-1]) / 100) if text.endswith("%") else int(text)
    return max(1, size)


def _minions(target, target_type):
    found = salt.utils.minions.CkMinions(__opts__).check_minions(target, tgt_type=target_type)
    return found["minions"]


def _tell(message):
    log.info("enid roll-out: %s", message)
    event = globals().get("__jid_event__")
    if event is not None:
        event.fire_event({"message": f"enid roll-out: {message}"}, "progress")
