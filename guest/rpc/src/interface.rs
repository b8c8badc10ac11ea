//! [`rpc!`](crate::rpc!): a client's stub and a server's skeleton of an interface's description.

/// Describes an interface: its number, its version, the oldest version whose clients are served, and its
/// procedures, each with a number. All of these are what the other side goes by, so a number is never
/// used again for something else; a new procedure is a new version.
///
/// In a module of the interface's name it makes
/// - the trait `Procedures`, which the server implements;
/// - `Skeleton`, which is the [`Service`](crate::Service) of such an implementation;
/// - `Stub`, by which a [`Client`](crate::Client) calls them.
#[macro_export]
macro_rules! rpc {
    (
        $(#[$meta:meta])*
        pub mod $interface:ident = $number:literal, version $version:literal from $oldest:literal {
            $(
                $(#[$pmeta:meta])*
                $procedure:literal => fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty;
            )*
        }
    ) => {
        $(#[$meta])*
        #[allow(unreachable_pub, reason = "it may be described where nobody else sees it")]
        pub mod $interface {
            #[allow(unused_imports, reason = "not each interface has types of its own")]
            use super::*;
            use $crate::alloc::vec::Vec;
            use $crate::{CallError, Client, Marshal, Reader, Service, Status, Transport};

            /// What the server does.
            pub trait Procedures {
                $(
                    $(#[$pmeta])*
                    fn $name(&mut self, $($argument: $type),*) -> $result;
                )*
            }

            /// Takes arguments out of requests and puts results into replies.
            pub struct Skeleton<P>(pub P);

            impl<P: Procedures> Service for Skeleton<P> {
                const INTERFACE: u32 = $number;
                const VERSIONS: (u16, u16) = ($version, $oldest);

                fn execute(
                    &mut self,
                    procedure: u16,
                    #[allow(unused_mut, reason = "not each procedure has arguments")]
                    mut arguments: Reader<'_>,
                ) -> Result<Vec<u8>, Status> {
                    match procedure {
                        $($procedure => {
                            $(
                                let $argument = <$type as Marshal>::take(&mut arguments)
                                    .map_err(|_| Status::BadArguments)?;
                            )*
                            arguments.end().map_err(|_| Status::BadArguments)?;
                            let mut bytes = Vec::new();
                            self.0.$name($($argument),*).put(&mut bytes);
                            Ok(bytes)
                        })*
                        _ => Err(Status::NoProcedure),
                    }
                }
            }

            /// Puts arguments into requests and takes results out of replies.
            pub struct Stub<T>(pub Client<T>);

            impl<T: Transport> Stub<T> {
                $(
                    $(#[$pmeta])*
                    pub fn $name(&mut self, $($argument: $type),*) -> Result<$result, CallError> {
                        #[allow(unused_mut, reason = "not each procedure has arguments")]
                        let mut arguments = Vec::new();
                        $($argument.put(&mut arguments);)*
                        let bytes = self.0.call(($number, $version), $procedure, &arguments)?;
                        let mut bytes = Reader::new(&bytes);
                        let result = <$result as Marshal>::take(&mut bytes);
                        let whole = result.and_then(|result| bytes.end().map(|()| result));
                        whole.map_err(|_| CallError::BadResult)
                    }
                )*
            }
        }
    };
}
