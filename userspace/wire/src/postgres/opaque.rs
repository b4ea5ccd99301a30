//! `Debug` for views of other people's bytes: the type's name, never the bytes.

macro_rules! opaque_debug {
    ($($view:ident),+ $(,)?) => {$(
        impl core::fmt::Debug for $view<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(stringify!($view))
            }
        }
    )+};
}
pub(crate) use opaque_debug;
