"""
States of a node with enid: the release unpacked whole, installed, run by Docker, removed.

Each looks first and changes only what is not so; with ``test=True`` it says what it would do. docs/compose-and-salt.md has the way
of a roll-out.
"""

import json
import os
import shutil

__virtualname__ = "enid_node"

# Seconds. What runs longer is ended, and the state fails with that reason.
UNPACK_SECONDS = 300
INSTALL_SECONDS = 300
COMPOSE_SECONDS = 900


def __virtual__():
    return __virtualname__


def unpacked(name, source, sha256):
    """
    The release lies in the folder ``name``, each of its files as its SHA256SUMS says.

    ``source`` is the tarball (salt://, https://, or a path), and ``sha256`` its checksum, without which nothing is fetched. It is
    unpacked beside the folder and renamed: a run that is cut off leaves no half a release.
    """
    ret = {"name": name, "changes": {}, "result": True, "comment": "the release is there and whole"}
    if not sha256 or len(sha256) != 64:
        return _failed(ret, "pillar enid:sha256 has no checksum for this node's platform")
    if _is_whole(name) and _kept_sum(name) == sha256:
        return ret
    if __opts__["test"]:
        return _would(ret, f"{source} would be unpacked")
    cached, why = _fetched(source, sha256)
    if why:
        return _failed(ret, why)
    fresh, old = f"{name}.new", f"{name}.old"
    for folder in (fresh, old):
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(fresh, mode=0o755)
    done = _run(["tar", "-xzf", cached, "-C", fresh, "--strip-components=1", "--no-same-owner"], UNPACK_SECONDS)
    if done["retcode"] != 0:
        return _failed(ret, f"{source} cannot be unpacked: {_words(done)}")
    if not _is_whole(fresh):
        shutil.rmtree(fresh, ignore_errors=True)
        return _failed(ret, f"{source} is no release of enid, or not whole: its SHA256SUMS do not fit")
    with open(os.path.join(fresh, ".sha256"), "w", encoding="ascii") as file:
        file.write(f"{sha256}\n")
    os.sync()
    if os.path.exists(name):
        os.rename(name, old)
    os.rename(fresh, name)
    shutil.rmtree(old, ignore_errors=True)
    ret["changes"] = {"new": sha256}
    ret["comment"] = f"{source} is unpacked"
    return ret


def installed(name, config):
    """``enid install`` of the release whose executable is ``name``, with the CNI configuration of the file ``config``."""
    ret = {"name": name, "changes": {}, "result": True, "comment": "all is in place"}
    if __opts__["test"] and not os.path.exists(name):
        return _would(ret, "enid would be installed")
    command = [name, "install", "--config", config, "--checks", "local", "--json"]
    done = _run(command + (["--dry-run"] if __opts__["test"] else []), INSTALL_SECONDS)
    if done["retcode"] != 0:
        return _failed(ret, f"enid install: {_words(done)}")
    report = json.loads(done["stdout"])
    ends = ("in place", "left", "abandoned")
    changes = {file["path"]: file["action"] for file in report["files"] if file["action"] not in ends}
    changes.update({step["command"]: step["failed"] or "done" for step in report["services"]})
    failed = [f"{check['reason']}. {check['remedy']}" for check in report["checks"] if check["verdict"] == "failed"]
    if report["changed"]:
        ret["comment"] = "enid is installed"
        ret["changes"] = changes or {"manifest": "written"}
    if failed:
        ret["comment"] += "; enid says: " + " ".join(failed)
    if __opts__["test"] and report["changed"]:
        return _would(ret, "enid would be installed")
    return ret


def tidied(name, current, keep=2):
    """Of the releases in the folder ``name`` stay ``current`` and the latest others, ``keep`` in all."""
    ret = {"name": name, "changes": {}, "result": True, "comment": "nothing to tidy"}
    if not os.path.isdir(name):
        return ret
    others = [folder for folder in os.listdir(name) if folder != current]
    others.sort(key=lambda folder: os.stat(os.path.join(name, folder)).st_mtime, reverse=True)
    surplus = others[max(int(keep) - 1, 0) :]
    if not surplus:
        return ret
    if __opts__["test"]:
        return _would(ret, f"{', '.join(surplus)} would be removed")
    for folder in surplus:
        shutil.rmtree(os.path.join(name, folder))
    ret["changes"] = {"removed": surplus}
    ret["comment"] = "older releases are removed"
    return ret


def image_loaded(name, source, sha256):
    """The image ``name`` is on the node: `docker load` of the file ``source``, by its checksum, where it is not. No registry."""
    ret = {"name": name, "changes": {}, "result": True, "comment": "the image is there"}
    if _run(["docker", "image", "inspect", "--format", "{{.Id}}", name])["retcode"] == 0:
        return ret
    if __opts__["test"]:
        return _would(ret, f"{source} would be loaded")
    cached, why = _fetched(source, sha256)
    if why:
        return _failed(ret, why)
    done = _run(["docker", "load", "--input", cached], COMPOSE_SECONDS)
    if done["retcode"] != 0:
        return _failed(ret, f"docker load: {_words(done)}")
    if _run(["docker", "image", "inspect", "--format", "{{.Id}}", name])["retcode"] != 0:
        return _failed(ret, f"{source} has no image {name}: {_words(done)}")
    ret["changes"] = {"loaded": name}
    ret["comment"] = "the image is loaded"
    return ret


def composed(name):
    """The containers are as `docker compose` with this node's files (the program ``name``) says, and run."""
    ret = {"name": name, "changes": {}, "result": True, "comment": "the containers are as they should be"}
    if __opts__["test"] and not os.path.exists(name):
        return _would(ret, "the containers would be started")
    wanted = _run([name, "config", "--hash", "*"])
    if wanted["retcode"] != 0:
        return _failed(ret, f"the compose files: {_words(wanted)}")
    before = _containers()
    if __opts__["test"]:
        hashes = dict(line.split()[:2] for line in wanted["stdout"].splitlines() if line.strip())
        same = {service: hash_ for service, hash_, _id, state in before if state in ("running", "done")}
        return ret if same == hashes else _would(ret, "containers would be replaced or started")
    done = _run([name, "up", "--detach", "--remove-orphans"], COMPOSE_SECONDS)
    if done["retcode"] != 0:
        return _failed(ret, f"docker compose up: {_words(done)}")
    after = _containers()
    for service, _hash, identity, state in sorted(after - before):
        ret["changes"][service] = f"{state}, {identity}"
    for service, _hash, identity, _state in sorted(before - after):
        if all(other[0] != service for other in after):
            ret["changes"][service] = f"gone, {identity}"
    if ret["changes"]:
        ret["comment"] = "containers were replaced or started"
    return ret


def removed(name, way="systemd", purge=False, force=False):
    """
    enid, whose executable is ``name``, is uninstalled: by itself, or its containers by Docker. Refused while pods have
    addresses of it, unless ``force``; its state stays, unless ``purge``.
    """
    ret = {"name": name, "changes": {}, "result": True, "comment": "enid is not here"}
    wrapper = "/usr/local/sbin/enid-compose"
    if not os.path.exists(wrapper if way == "compose" else name):
        return ret
    if __opts__["test"]:
        return _would(ret, "enid would be removed")
    if way == "compose":
        leased = __salt__["enid_node.leased"]()
        if leased and not force:
            return _failed(ret, f"{leased} pods of this node have addresses of enid: drain it first")
        done = _run([wrapper, "down"], COMPOSE_SECONDS)
        if done["retcode"] != 0:
            return _failed(ret, f"docker compose down: {_words(done)}")
        if purge:
            shutil.rmtree("/var/lib/enid", ignore_errors=True)
        ret["changes"] = {"containers": "removed"}
    else:
        flags = (["--purge"] if purge else []) + (["--force"] if force else [])
        done = _run([name, "uninstall", "--json", *flags], INSTALL_SECONDS)
        if done["retcode"] != 0:
            return _failed(ret, f"enid uninstall: {_words(done)}")
        ret["changes"] = {"enid": "uninstalled"}
    ret["comment"] = "enid is removed"
    return ret


def _fetched(source, sha256):
    """The file on this node and "", or "" and why there is none. Salt compares checksums of https:// alone."""
    cached = __salt__["cp.cache_file"](source, source_hash=sha256)
    if not cached or not os.path.isfile(cached):
        return "", f"{source} cannot be fetched, or its SHA-256 is not {sha256}"
    found = __salt__["file.get_hash"](cached, form="sha256")
    return (cached, "") if found == sha256 else ("", f"the SHA-256 of {source} is {found}, and pillar says {sha256}")


def _containers():
    """(service, configuration hash, id, state) of each container; one that only installs is `done` whenever it ended well."""
    label = '{{.Label "com.docker.compose.%s"}}'
    form = " ".join([label % "service", label % "config-hash", "{{.ID}}", "{{.State}}", "{{.Status}}"])
    found = _run(["docker", "ps", "--all", "--filter", "label=com.docker.compose.project=enid", "--format", form])
    rows = (line.split(" ", 4) for line in found["stdout"].splitlines() if line.count(" ") >= 4)
    return {
        (service, hash_, identity, "done" if status.startswith("Exited (0)") else state)
        for service, hash_, identity, state, status in rows
    }


def _is_whole(folder):
    if not os.path.isfile(os.path.join(folder, "SHA256SUMS")):
        return False
    return _run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], UNPACK_SECONDS, cwd=folder)["retcode"] == 0


def _kept_sum(folder):
    try:
        with open(os.path.join(folder, ".sha256"), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _run(command, seconds=60, cwd=None):
    return __salt__["cmd.run_all"](
        command, python_shell=False, timeout=seconds, cwd=cwd, ignore_retcode=True, output_loglevel="debug"
    )


def _words(done):
    """What a program said; of enid's JSON the message and what to do."""
    text = (done["stderr"] or done["stdout"]).strip()
    try:
        error = json.loads(text)["error"]
        return f"{error['code']}: {error['message']}. {error['remedy']}"
    except (ValueError, KeyError, TypeError):
        return text[-2000:] or f"exit code {done['retcode']}"


def _would(ret, comment):
    ret.update(result=None, comment=comment)
    return ret


def _failed(ret, comment):
    ret.update(result=False, comment=comment)
    return ret
