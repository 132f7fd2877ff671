# enid on a node, as pillar `enid` says: docs/compose-and-salt.md.
{%- from "enid/map.jinja" import enid with context %}

include:
{%- if enid["ensure"] == "absent" %}
  - enid.removed
{%- elif enid["way"] == "compose" %}
  - enid.compose
{%- else %}
  - enid.systemd
{%- endif %}
