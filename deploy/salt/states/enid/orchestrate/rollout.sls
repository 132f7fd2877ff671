# Brings enid on many nodes to what their pillar says, in batches with a health gate after each:
#
#   salt-run state.orchestrate enid.orchestrate.rollout pillar='{"rollout": {"target": "node-*", "batch": "10%"}}'
#
# It ends at the first batch with a node that is not well, and says which and why. The same command goes on where it ended:
# nodes that are as they should be are passed over. docs/compose-and-salt.md has the keys.
{%- set rollout = salt["pillar.get"]("rollout", {}) %}

enid-rollout-code:
  salt.runner:
    - name: saltutil.sync_runners

enid-rollout:
  salt.runner:
    - name: enid_rollout.run
    - target: {{ rollout.get("target", "enid:node") | json }}
    - target_type: {{ rollout.get("target_type", "glob" if "target" in rollout else "grain") }}
    - first: {{ rollout.get("first", 1) }}
    - batch: {{ rollout.get("batch", "10%") | json }}
    - wait_seconds: {{ rollout.get("wait_seconds", 300) }}
    - apply_seconds: {{ rollout.get("apply_seconds", 900) }}
    - max_failed: {{ rollout.get("max_failed", 0) }}
    - gate: {{ rollout.get("gate", "ready") }}
    - dry_run: {{ rollout.get("dry_run", False) }}
    - require:
      - salt: enid-rollout-code
