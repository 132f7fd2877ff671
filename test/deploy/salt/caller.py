"""What `salt-call --local` does, for many calls in one process: a line of JSON in, a line of JSON out."""

import json
import sys

import salt.client
import salt.config

out, sys.stdout = sys.stdout, sys.stderr
opts = salt.config.minion_config(f"{sys.argv[1]}/minion")
opts["file_client"] = "local"
caller = salt.client.Caller(mopts=opts)
for line in sys.stdin:
    call = json.loads(line)
    try:
        answer = caller.cmd(call["function"], *call.get("args", []), **call.get("kwargs", {}))
    except Exception as error:  # The test says what is wrong with it.
        answer = {"raised": repr(error)}
    print(json.dumps(answer, default=str), file=out, flush=True)
