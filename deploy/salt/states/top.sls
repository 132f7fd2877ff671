# Which minions run enid. As an example: by a grain that says so.
base:
  'enid:node':
    - match: grain
    - enid
