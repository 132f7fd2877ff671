"""
What the roll-out of enid asks a node: is it as its pillar says, is it well, how many pods does it serve?
"""

import json
import os
import time

__virtualname__ = "enid_node"

ENID = "/usr/local/bin/enid"
# Seconds between two looks at a node that is not well yet.
PAUSE_SECONDS = 5


def __virtual__():
    return __virtualname__


def standing(sls="enid"):
    """
    How far the node is from what its pillar says: ``pending``, the states that are not so, each with its comment, and ``well``
    with ``why`` and ``degraded``, as of now. Changes nothing.

    CLI Example: ``salt 'node-*' enid_node.standing``
    """
    states = __salt__["state.apply"](sls, test=True, queue=True)
    status = _status()
    return {
        "pending": _pending(states),
        "well": _why_not(status) == "",
        "why": _why_not(status),
        "degraded": _degraded(status),
        "version": status.get("version", ""),
    }


def gate(version="", wait_seconds=300, known=()):
    """
    Whether the node is well, waiting for it at most ``wait_seconds``: the daemon is ready (``enid status --wait``: the first
    addresses are there), it is of ``version`` where that is said, its configuration is the file's, and it gives way in nothing
    that is not among ``known``, what it gave way in before.

    CLI Example: ``salt 'node-*' enid_node.gate wait_seconds=60``
    """
    ends = time.monotonic() + float(wait_seconds)
    waited = _run([ENID, "status", "--wait", "--wait-seconds", str(max(1, int(wait_seconds)))], float(wait_seconds) + 30)
    if waited["retcode"] != 0:
        return {"well": False, "why": _last_words(waited), "degraded": []}
    while True:
        status = _status()
        why = _why_not(status, version, known)
        if why == "" or time.monotonic() >= ends:
            return {"well": why == "", "why": why, "degraded": _degraded(status)}
        time.sleep(min(PAUSE_SECONDS, max(0.1, ends - time.monotonic())))


def gate_gone(version="", wait_seconds=0, known=()):
    """Whether enid is gone from the node, for the roll-out of a removal. Of the arguments none counts."""
    there = os.path.lexists(ENID)
    return {"well": not there, "why": f"{ENID} is still there" if there else "", "degraded": []}


def leased():
    """
    How many pods of the node have addresses of enid; 0 where no daemon answers.

    CLI Example: ``salt 'node-*' enid_node.leased``
    """
    pool = _status().get("pool", {})
    return max(pool.get("leased", 0), (pool.get("ipv6") or {}).get("leased", 0))


def _status():
    if not os.path.exists(ENID):
        return {"unanswered": "enid is not here"}
    done = _run([ENID, "status", "--json"], 30)
    try:
        return json.loads(done["stdout"])
    except ValueError:
        return {"unanswered": _last_words(done)}


def _why_not(status, version="", known=()):
    if "unanswered" in status:
        return status["unanswered"]
    if version and status.get("version") != version:
        return f"the daemon that runs is enid {status.get('version')}, and pillar says {version}"
    if not status.get("ready"):
        return f"not ready: {status.get('waitingFor') or status.get('phase')}"
    configuration = status.get("configuration", {})
    if configuration.get("source") != "file":
        error = configuration.get("error") or {}
        return f"the file is not in force: {error.get('message', configuration.get('source'))}"
    fresh = [one for one in status.get("degraded", []) if one["name"] not in known]
    return "; ".join(f"{one['name']}: {one['error']['message']}" for one in fresh)


def _degraded(status):
    return [one["name"] for one in status.get("degraded", [])]


def _pending(states):
    if not isinstance(states, dict):
        return {"states": "; ".join(states) if isinstance(states, list) else str(states)}
    return {
        state.get("__id__", key): state.get("comment", "")
        for key, state in states.items()
        if state.get("result") is not True
    }


def _run(command, seconds):
    return __salt__["cmd.run_all"](
        command, python_shell=False, timeout=seconds, ignore_retcode=True, output_loglevel="debug"
    )


def _last_words(done):
    text = (done["stderr"] or done["stdout"]).strip()
    try:
        error = json.loads(text)["error"]
        return f"{error['code']}: {error['message']}"
    except (ValueError, KeyError, TypeError):
        return text[-1000:] or f"exit code {done['retcode']}"
