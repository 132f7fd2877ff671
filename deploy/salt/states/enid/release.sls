# The release: unpacked beside the others by its checksum, whole or not at all. Nothing of it runs yet.
{%- from "enid/map.jinja" import enid, platform, release with context %}

enid-release:
  enid_node.unpacked:
    - name: {{ release }}
    - source: {{ enid["source"] | replace("PLATFORM", platform) }}
    - sha256: '{{ enid["sha256"].get(platform, "") }}'

enid-etc:
  file.directory:
    - name: /etc/enid
    - user: root
    - group: root
    - mode: '0755'

enid-environment:
  file.managed:
    - name: /etc/enid/enid.env
    - source: salt://enid/files/enid.env.jinja
    - template: jinja
    - context:
        environment: {{ enid["environment"] | json }}
    - user: root
    - group: root
    - mode: '0600'
    - require:
      - file: enid-etc
