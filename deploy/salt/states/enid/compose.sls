# enid, cilium-agent and BIRD in containers, by the compose files of the release.
{%- from "enid/map.jinja" import enid, release with context %}
{%- set compose = enid["compose"] %}
{%- set variables = {"NODE_NAME": grains["id"], "ENID_RELEASE": release, "ENID_IMAGE": "enid:" ~ enid["version"]} %}
{%- do variables.update(compose["variables"]) %}

include:
  - enid.release

enid-folders:
  file.directory:
    - names:
      - /etc/enid/compose
      - /etc/cni/net.d
      - /opt/cni/bin
    - mode: '0755'
    - makedirs: True

# /run is empty after each start of the machine, and a container with a mount whose source is missing does not start.
enid-tmpfiles:
  file.managed:
    - name: /etc/tmpfiles.d/enid-compose.conf
    - source: salt://enid/files/tmpfiles.conf
    - makedirs: True
    - mode: '0644'

enid-tmpfiles-made:
  cmd.run:
    - name: systemd-tmpfiles --create /etc/tmpfiles.d/enid-compose.conf
    - onchanges:
      - file: enid-tmpfiles

# In place only if `enid validate` takes it; the daemon, which watches it, otherwise goes on with what it has.
enid-configuration:
  file.managed:
    - name: /etc/cni/net.d/05-enid.conflist
    - source: salt://enid/files/05-enid.conflist.jinja
    - template: jinja
    - context:
        configuration: {{ enid["configuration"] | json(sort_keys=False) }}
    - mode: '0644'
    - check_cmd: {{ release }}/enid validate
    - tmp_ext: .conflist
    - require:
      - enid_node: enid-release
      - file: enid-folders

# For people, for the gates of the roll-out, and for the kubelet's unit, which waits by it.
enid-command:
  file.symlink:
    - name: /usr/local/bin/enid
    - target: {{ release }}/enid
    - force: True
    - require:
      - file: enid-configuration

{%- if "bird" in compose["profiles"] %}
{%- set export = "/usr/local/bin/enid export bird --read-eni-configuration /etc/cni/net.d/05-enid.conflist" %}

# BIRD takes it up once it is told; the copy says which one it has taken up.
enid-bird:
  cmd.run:
    - name: {{ export }} --output /etc/bird/bird.conf
    - unless: {{ export }} --with-passwords | cmp -s - /etc/bird/bird.conf
    - require:
      - file: enid-command
      - cmd: enid-tmpfiles-made
    - require_in:
      - enid_node: enid-containers

enid-bird-told:
  cmd.run:
    - name: >-
        /usr/local/sbin/enid-compose exec -T bird birdc -s /run/bird/bird.ctl configure
        && cp -p /etc/bird/bird.conf /etc/enid/.bird.conf.in-force
    - unless: cmp -s /etc/bird/bird.conf /etc/enid/.bird.conf.in-force
    # One that has just been started takes a moment.
    - retry:
        attempts: 10
        interval: 2
    - require:
      - enid_node: enid-containers
{%- endif %}

enid-kubelet:
  file.managed:
    - name: /etc/systemd/system/kubelet.service.d/50-enid.conf
    - source: salt://enid/files/kubelet.conf
    - makedirs: True
    - mode: '0644'
    - require:
      - file: enid-command

enid-kubelet-reread:
  cmd.run:
    - name: systemctl daemon-reload
    - onchanges:
      - file: enid-kubelet

enid-variables:
  file.managed:
    - name: /etc/enid/compose/.env
    - source: salt://enid/files/enid.env.jinja
    - template: jinja
    - context:
        environment: {{ variables | json }}
    - mode: '0644'
    - require:
      - file: enid-folders

enid-override:
  file.managed:
    - name: /etc/enid/compose/docker-compose.override.yaml
    - source: salt://enid/files/override.yaml.jinja
    - template: jinja
    - context:
        override: {{ compose["override"] | json }}
    - mode: '0644'
    - require:
      - file: enid-folders

# docker compose with this node's files: `enid-compose ps`, `enid-compose logs enid`.
enid-wrapper:
  file.managed:
    - name: /usr/local/sbin/enid-compose
    - source: salt://enid/files/enid-compose.jinja
    - template: jinja
    - context:
        command: {{ compose["command"] | json }}
        folder: {{ release }}/share/deploy/compose
        from: {{ compose["from"] }}
        profiles: {{ compose["profiles"] | json }}
    - makedirs: True
    - mode: '0755'

{%- for image in compose["images"] %}

enid-image-{{ loop.index }}:
  enid_node.image_loaded:
    - name: {{ image["name"] }}
    - source: {{ image["source"] }}
    - sha256: '{{ image["sha256"] }}'
    - require_in:
      - enid_node: enid-containers
{%- endfor %}

enid-containers:
  enid_node.composed:
    - name: /usr/local/sbin/enid-compose
    - require:
      - file: enid-kubelet
      - file: enid-configuration
      - file: enid-environment
      - file: enid-variables
      - file: enid-override
      - file: enid-wrapper
      - cmd: enid-tmpfiles-made

enid-tidied:
  enid_node.tidied:
    - name: {{ enid["folder"] }}/releases
    - current: '{{ enid["version"] }}'
    - keep: {{ enid["keep"] }}
    - require:
      - enid_node: enid-containers
