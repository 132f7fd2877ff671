base:
  'enid:node':
    - match: grain
    - enid.release
  'G@enid:node and G@enid-environment:aws':
    - match: compound
    - enid.aws
  'G@enid:node and G@enid-environment:on-premises':
    - match: compound
    - enid.on_premises
