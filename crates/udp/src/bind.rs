//! Opens the sockets.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

/// A non-blocking socket on `address` that other sockets may share (`SO_REUSEPORT`) and that tells where
/// each datagram was sent to. The unspecified IPv6 address takes IPv4 too.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_port(true)?;
    // As large as the kernel lets us: a burst waits here while a batch is answered.
    let _ = socket.set_recv_buffer_size(BUFFER_SIZE);
    let _ = socket.set_send_buffer_size(BUFFER_SIZE);
    if address.ip().is_unspecified() {
        // Bound to one address, a reply leaves from it anyway.
        tell_destination(&socket, address)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Asks for the packet info control message: `ip(7)`, `ipv6(7)`.
fn tell_destination(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    let (level, name) = match address {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    let on: libc::c_int = 1;
    // SAFETY: the value is a c_int that lives until the call returns, and its length is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const on).cast(),
            socklen_of::<libc::c_int>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub(crate) fn socklen_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("socket structures are small")
}

const BUFFER_SIZE: usize = 1 << 20;
