# Which enid the nodes run. PLATFORM stands for linux-x64 or linux-arm64, as the node is. The checksums are those of the .sha256 files
# beside the tarballs; these here are placeholders, which no tarball has.
enid:
  version: 0.1.0
  source: salt://enid/releases/enid-0.1.0-PLATFORM.tar.gz
  sha256:
    linux-x64: '0000000000000000000000000000000000000000000000000000000000000000'
    linux-arm64: '0000000000000000000000000000000000000000000000000000000000000000'
  environment:
    ENID_LOG_LEVEL: info
