//! What the kernel half and the loader share: the repr(C) types of the maps, with size and offset asserts.
