//! Sends datagrams in batches.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::address;
use crate::inbox::Control;

/// Datagrams waiting to be sent with one system call.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    letters: Vec<Letter>,
}

struct Letter {
    start: usize,
    end: usize,
    name: libc::sockaddr_storage,
    name_len: libc::socklen_t,
    control: Control,
    control_len: usize,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many datagrams wait.
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Adds a datagram to `to`. It leaves from the address `from`, where that is given: what
    /// [`crate::Datagram::to`] said of the query.
    pub fn push(&mut self, bytes: &[u8], to: SocketAddr, from: Option<IpAddr>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let mut letter = Letter {
            start,
            end: self.bytes.len(),
            name: address::empty(),
            name_len: 0,
            control: Control([0; 64]),
            control_len: 0,
        };
        letter.name_len = address::write(&mut letter.name, to);
        if let Some(from) = from {
            letter.control_len = write_source(&mut letter.control, from);
        }
        self.letters.push(letter);
    }

    /// Sends what waits and forgets it; returns how many datagrams the kernel did not take. A full
    /// socket buffer drops the rest, as a network would.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> usize {
        let mut sent = 0;
        let mut n_dropped = 0;
        while sent < self.letters.len() {
            match self.send_from(sent, socket) {
                Ok(n) => sent += n.max(1),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    n_dropped += self.letters.len() - sent;
                    break;
                }
                Err(_) => {
                    // About the first one: an address that cannot be reached, or an ICMP error of an
                    // earlier datagram that surfaces here. Leave it and go on.
                    n_dropped += 1;
                    sent += 1;
                }
            }
        }
        self.letters.clear();
        self.bytes.clear();
        // A burst of large replies must not keep its memory for ever.
        self.bytes.shrink_to(64 * 1024);
        n_dropped
    }

    fn send_from(&mut self, first: usize, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let letters = &mut self.letters[first..];
        let mut vectors: Vec<libc::iovec> = letters
            .iter()
            .map(|letter| libc::iovec {
                // The kernel only reads from a vector that is sent.
                iov_base: self.bytes[letter.start..].as_ptr().cast_mut().cast(),
                iov_len: letter.end - letter.start,
            })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = Vec::with_capacity(letters.len());
        for (letter, vector) in letters.iter_mut().zip(&mut vectors) {
            // SAFETY: mmsghdr is plain integers and pointers, for which zeros are valid.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_name = (&raw mut letter.name).cast();
            header.msg_hdr.msg_namelen = letter.name_len;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            if letter.control_len > 0 {
                header.msg_hdr.msg_control = letter.control.0.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = letter.control_len as _;
            }
            headers.push(header);
        }
        // SAFETY: each header points to a name, a vector and perhaps a control buffer that outlive the
        // call and whose lengths are given; each vector points into `self.bytes`.
        let n_sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                libc::c_uint::try_from(headers.len()).unwrap_or(libc::c_uint::MAX),
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        usize::try_from(n_sent).map_err(|_| io::Error::last_os_error())
    }
}

/// Writes the control message that sets the source address; returns its length. An IPv4 address that
/// was mapped into IPv6 goes as such: it came from a dual-stack socket.
fn write_source(control: &mut Control, from: IpAddr) -> usize {
    match from {
        IpAddr::V4(ip) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(ip).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            write_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(ip) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                ipi6_ifindex: 0,
            };
            write_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn write_control<T: Copy>(
    control: &mut Control,
    level: libc::c_int,
    kind: libc::c_int,
    info: T,
) -> usize {
    let header_len = size_of::<libc::cmsghdr>();
    let len = header_len + size_of::<T>();
    assert!(len <= control.0.len(), "a packet info fits");
    // SAFETY: cmsghdr is plain integers, for which zeros are valid.
    let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
    header.cmsg_len = len as _;
    header.cmsg_level = level;
    header.cmsg_type = kind;
    // SAFETY: both fit the buffer, as asserted; it is aligned to 8, and the writes need no alignment.
    unsafe {
        std::ptr::write_unaligned(control.0.as_mut_ptr().cast(), header);
        std::ptr::write_unaligned(control.0.as_mut_ptr().add(header_len).cast(), info);
    }
    len.next_multiple_of(size_of::<usize>())
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("len", &self.len()).finish_non_exhaustive()
    }
}
