# enid is removed. The state stays, unless pillar says `purge`; a node whose pods have addresses of enid is refused: drain it first.
{%- from "enid/map.jinja" import enid with context %}

enid-removed:
  enid_node.removed:
    - name: /usr/local/bin/enid
    - way: {{ enid["way"] }}
    - purge: {{ enid["purge"] }}
    - force: {{ enid["force"] }}

enid-files-removed:
  file.absent:
    - names:
      - /etc/enid/05-enid.conflist
      - /etc/enid/.bird.conf.in-force
      - /etc/enid/.enid.env.in-force
      - /etc/enid/compose
      - {{ enid["folder"] }}/releases
{%- if enid["way"] == "compose" %}
      - /etc/cni/net.d/05-enid.conflist
      - /etc/systemd/system/kubelet.service.d/50-enid.conf
      - /etc/tmpfiles.d/enid-compose.conf
      - /opt/cni/bin/enid-ipam
      - /opt/cni/bin/.enid-ipam.before
      - /usr/local/bin/enid
      - /usr/local/sbin/enid-compose
{%- endif %}
    - require:
      - enid_node: enid-removed

enid-kubelet-reread:
  cmd.run:
    - name: systemctl daemon-reload
    - onchanges:
      - file: enid-files-removed
