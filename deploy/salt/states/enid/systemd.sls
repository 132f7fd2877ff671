# enid as a service of systemd, by `enid install` of the release.
{%- from "enid/map.jinja" import enid, release with context %}

include:
  - enid.release

# Beside the one in force: what `enid validate` refuses stops here, and the node goes on with what it has.
enid-configuration:
  file.managed:
    - name: /etc/enid/05-enid.conflist
    - source: salt://enid/files/05-enid.conflist.jinja
    - template: jinja
    - context:
        configuration: {{ enid["configuration"] | json(sort_keys=False) }}
    - user: root
    - group: root
    - mode: '0644'
    - check_cmd: {{ release }}/enid validate
    - tmp_ext: .conflist
    - require:
      - enid_node: enid-release
      - file: enid-etc

enid-installed:
  enid_node.installed:
    - name: {{ release }}/enid
    - config: /etc/enid/05-enid.conflist
    - require:
      - file: enid-configuration
      - file: enid-environment

# The daemon reads its variables when it starts. The copy says which ones it started with, also after a run that was cut off.
enid-restarted:
  cmd.run:
    - name: systemctl restart enid.service && cp -p /etc/enid/enid.env /etc/enid/.enid.env.in-force
    - unless: cmp -s /etc/enid/enid.env /etc/enid/.enid.env.in-force
    - require:
      - enid_node: enid-installed

enid-tidied:
  enid_node.tidied:
    - name: {{ enid["folder"] }}/releases
    - current: '{{ enid["version"] }}'
    - keep: {{ enid["keep"] }}
    - require:
      - enid_node: enid-installed
