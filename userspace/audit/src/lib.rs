//! Records of who did what: encoding, segments, chain and verifier; bytes in, bytes out.
