# Nodes on AWS: enid.service, and what deploy/compose/aws/05-enid.conflist says.
enid:
  way: systemd
  configuration:
    cniVersion: 1.0.0
    name: cilium
    plugins:
      - type: cilium-cni
        eni:
          subnet-tags: {enid.io/pods: 'true'}
          security-group-tags: {enid.io/pods: 'true'}
          first-interface-index: 1
        ipam:
          type: enid-ipam
          min-allocate: 10
          pre-allocate: 8
          cooling-seconds: 30
          orphan-grace-seconds: 300
