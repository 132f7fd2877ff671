# Nodes on-premises: containers, and what deploy/compose/on-premises/05-enid.conflist says. The ranges are the node's own: an
# external pillar, or a file for each minion, has them.
enid:
  way: compose
  compose:
    profiles: [bird]
    override:
      services:
        enid:
          mem_limit: 512m
          env_file: [/etc/enid/enid.env]
  configuration:
    cniVersion: 1.0.0
    name: cilium
    plugins:
      - type: cilium-cni
        ipam:
          type: enid-ipam
          podCIDRs: [10.12.5.0/24]
          min-allocate: 10
          pre-allocate: 8
          cooling-seconds: 30
          orphan-grace-seconds: 300
        bgp:
          asn: 4200000112
          uplinks:
            - {neighbor: 10.0.12.1, asn: 4200000001}
            - {neighbor: 10.0.12.2, asn: 4200000002}
