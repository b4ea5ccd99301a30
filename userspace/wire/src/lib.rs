//! Sans-IO codecs of the databases' wire protocols.
