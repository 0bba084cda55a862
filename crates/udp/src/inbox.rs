//! Receives datagrams in batches.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::address;

/// Room for a control message with the packet info of either family, aligned as `cmsghdr` wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; 64]);

/// Buffers for one batch of datagrams; used again and again.
pub struct Inbox {
    slots: Box<[Slot]>,
    buffers: Box<[u8]>,
    buffer_len: usize,
}

struct Slot {
    name: libc::sockaddr_storage,
    control: Control,
    /// What the kernel said of the last batch.
    len: usize,
    control_len: usize,
    is_truncated: bool,
}

/// One datagram of the last batch.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The payload, as much as fitted the buffer.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// The address it was sent to; `None` where the socket is bound to one address.
    pub to: Option<IpAddr>,
    /// Whether the buffer was too small for it.
    pub is_truncated: bool,
}

impl Inbox {
    /// Room for `n_datagrams` of up to `buffer_len` octets each.
    pub fn new(n_datagrams: usize, buffer_len: usize) -> Self {
        let slot = || Slot {
            name: address::empty(),
            control: Control([0; 64]),
            len: 0,
            control_len: 0,
            is_truncated: false,
        };
        Self {
            slots: (0..n_datagrams).map(|_| slot()).collect(),
            buffers: vec![0; n_datagrams * buffer_len].into(),
            buffer_len,
        }
    }

    /// How many datagrams a batch has room for.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Receives what is there, up to a full batch, without waiting; returns how many datagrams.
    /// An error of kind `WouldBlock` means that there is none.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut vectors: Vec<libc::iovec> = Vec::with_capacity(self.slots.len());
        let mut headers: Vec<libc::mmsghdr> = Vec::with_capacity(self.slots.len());
        for buffer in self.buffers.chunks_exact_mut(self.buffer_len) {
            vectors
                .push(libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() });
        }
        for (slot, vector) in self.slots.iter_mut().zip(&mut vectors) {
            // SAFETY: mmsghdr is plain integers and pointers, for which zeros are valid.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_name = (&raw mut slot.name).cast();
            header.msg_hdr.msg_namelen = crate::bind::socklen_of::<libc::sockaddr_storage>();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = slot.control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = slot.control.0.len() as _;
            headers.push(header);
        }
        // SAFETY: each header points to a name, a vector and a control buffer that outlive the call
        // and whose lengths are given; each vector points to a buffer of `self.buffers` of its own.
        let n_received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                libc::c_uint::try_from(headers.len()).unwrap_or(libc::c_uint::MAX),
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let n_received = usize::try_from(n_received).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in self.slots.iter_mut().zip(&headers[..n_received]) {
            slot.len = (header.msg_len as usize).min(self.buffer_len);
            #[allow(clippy::unnecessary_cast, reason = "musl has another type than glibc")]
            let control_len = header.msg_hdr.msg_controllen as usize;
            slot.control_len = control_len.min(slot.control.0.len());
            slot.is_truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        }
        Ok(n_received)
    }

    /// A datagram of the last batch; `None` where it came from no address that can be answered.
    ///
    /// # Panics
    /// Where `idx` is not below [`Inbox::capacity`].
    pub fn datagram(&self, idx: usize) -> Option<Datagram<'_>> {
        let slot = &self.slots[idx];
        let start = idx * self.buffer_len;
        Some(Datagram {
            bytes: &self.buffers[start..start + slot.len],
            from: address::read(&slot.name)?,
            to: destination(&slot.control.0[..slot.control_len]),
            is_truncated: slot.is_truncated,
        })
    }
}

/// The destination address in the control messages, each of which is a `cmsghdr` and its data, aligned.
fn destination(mut control: &[u8]) -> Option<IpAddr> {
    let header_len = size_of::<libc::cmsghdr>();
    while control.len() >= header_len {
        // SAFETY: there are enough bytes for a cmsghdr; it is plain integers and need not be aligned.
        let header: libc::cmsghdr = unsafe { std::ptr::read_unaligned(control.as_ptr().cast()) };
        let len = header.cmsg_len as usize;
        let data = control.get(header_len..len)?;
        match (header.cmsg_level, header.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) if data.len() >= size_of::<libc::in_pktinfo>() => {
                // SAFETY: there are enough bytes for an in_pktinfo, which is plain integers.
                let info: libc::in_pktinfo =
                    unsafe { std::ptr::read_unaligned(data.as_ptr().cast()) };
                return Some(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)
                if data.len() >= size_of::<libc::in6_pktinfo>() =>
            {
                // SAFETY: there are enough bytes for an in6_pktinfo, which is plain integers.
                let info: libc::in6_pktinfo =
                    unsafe { std::ptr::read_unaligned(data.as_ptr().cast()) };
                return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            }
            _ => {}
        }
        let aligned = len.next_multiple_of(size_of::<usize>());
        control = control.get(aligned..)?;
    }
    None
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}
