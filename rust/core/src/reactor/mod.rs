//! The pump: moves the bytes of thousands of client connections in one call.
//!
//! An epoll or kqueue descriptor is itself pollable, so one task of the caller's loop waits for [`Reactor::fd`] and
//! then calls [`Reactor::turn`]. The reactor never sleeps and sets no timers. Sockets are edge-triggered: a socket
//! that was not read or written until it would block is kept in a list of its own, so that nothing is stranded.

mod socket;

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::TcpListener as StdListener;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use crate::limits;
use crate::serve::{ConnectionId, Hub, Owner};
use socket::{Read, Socket};

/// Tokens from here on are listeners, below it the keys of sockets.
const LISTENER_TOKENS: usize = 1 << 40;
/// The reactor's own word to itself that a turn is due.
const WAKER_TOKEN: usize = LISTENER_TOKENS - 1;
const EVENTS_PER_POLL: usize = 256;
const ACCEPTS_PER_TURN: usize = 64;
/// After so many sockets were read, what they are answered is written. Each write may wake a peer, which is dear if it
/// sleeps again before the next one; but peers that wait for all of a batch do nothing meanwhile.
const READS_PER_FLUSH: usize = 16;
const SPARE_BUFFERS_COUNT_MAX: usize = 2 * READS_PER_FLUSH;
const WRITE_AT_ONCE_BYTES: usize = 128 * 1024;

const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain;charset=UTF-8\r\n\
    Connection: close\r\nContent-Length: 53\r\n\r\nThis server has as many connections as it may have.\r\n";

/// Owns the sockets of one hub.
#[derive(Debug)]
pub struct Reactor {
    poll: Poll,
    waker: Waker,
    events: Events,
    listeners: Vec<Listener>,
    sockets: Slab<Socket>,
    /// Sockets with more to read than one turn took.
    unfinished: VecDeque<ConnectionId>,
    /// Where every read goes first; one for all, so that an idle connection holds no buffer.
    scratch: Box<[u8]>,
    /// Output buffers that have been written out. Lent to the next connection that answers, so that large answers do
    /// not make the allocator take pages from the system and give them back all the time.
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    grpc_only: bool,
    /// There may be connections left to accept.
    is_ready: bool,
}

impl Reactor {
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Token(WAKER_TOKEN))?;
        Ok(Self {
            poll,
            waker,
            events: Events::with_capacity(EVENTS_PER_POLL),
            listeners: Vec::new(),
            sockets: Slab::new(),
            unfinished: VecDeque::new(),
            scratch: vec![0; limits::READ_BYTES_PER_CALL].into_boxed_slice(),
            spare: Vec::new(),
        })
    }

    /// Readable whenever a turn has something to do.
    pub fn fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    /// Accepts connections from a bound, listening socket.
    pub fn listen(&mut self, socket: StdListener, grpc_only: bool) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let mut socket = TcpListener::from_std(socket);
        let token = Token(LISTENER_TOKENS + self.listeners.len());
        self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
        self.listeners.push(Listener { socket, grpc_only, is_ready: true });
        Ok(())
    }

    /// Accepts, reads, answers and writes until nothing is ready or the budget is used up, then carries on with one request
    /// that takes longer. True if work is left.
    pub fn turn(&mut self, hub: &mut Hub, now_ms: u64, budget: Duration) -> io::Result<bool> {
        let is_ready = self.serve(hub, now_ms, budget)?;
        let is_unfinished = hub.carry_on(now_ms);
        self.write_dirty(hub, now_ms);
        Ok(is_ready || is_unfinished)
    }

    fn serve(&mut self, hub: &mut Hub, now_ms: u64, budget: Duration) -> io::Result<bool> {
        let started = Instant::now();
        loop {
            let polled = self.poll_once(hub, now_ms)?;
            self.accept(hub, now_ms);
            let unfinished = self.unfinished.len();
            for _ in 0..unfinished {
                if let Some(id) = self.unfinished.pop_front() {
                    self.read(hub, id, now_ms);
                }
            }
            self.write_dirty(hub, now_ms);
            let left = polled == EVENTS_PER_POLL || !self.unfinished.is_empty();
            if polled == 0 && !left {
                return Ok(false);
            }
            if started.elapsed() >= budget {
                return Ok(true);
            }
        }
    }

    /// Takes what the system reports now, without waiting.
    fn poll_once(&mut self, hub: &mut Hub, now_ms: u64) -> io::Result<usize> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            other => other?,
        }
        let (mut count, mut reads) = (0, 0);
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            count += 1;
            let Token(token) = event.token();
            if token >= LISTENER_TOKENS {
                if let Some(listener) = self.listeners.get_mut(token - LISTENER_TOKENS) {
                    listener.is_ready = true;
                }
                continue;
            }
            let Some(socket) = self.sockets.get_mut(token) else { continue };
            let id = socket.id;
            socket.may_have_ended |= event.is_read_closed() || event.is_error();
            socket.is_broken |= event.is_write_closed() || event.is_error();
            if socket.is_full && event.is_writable() {
                self.write(hub, id, now_ms);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(hub, id, now_ms);
                reads += 1;
                if reads % READS_PER_FLUSH == 0 {
                    self.write_dirty(hub, now_ms);
                }
            }
        }
        self.events = events;
        Ok(count)
    }

    fn accept(&mut self, hub: &mut Hub, now_ms: u64) {
        for position in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                if !self.listeners[position].is_ready {
                    break;
                }
                match self.listeners[position].socket.accept() {
                    Ok((stream, remote)) => {
                        let _ = stream.set_nodelay(true);
                        self.add(hub, stream, remote, self.listeners[position].grpc_only, now_ms);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.listeners[position].is_ready = false;
                    }
                    // Out of descriptors, or the peer has gone already: the next turn tries again.
                    Err(_) => break,
                }
            }
        }
    }

    fn add(
        &mut self,
        hub: &mut Hub,
        mut stream: mio::net::TcpStream,
        remote: std::net::SocketAddr,
        grpc_only: bool,
        now_ms: u64,
    ) {
        let entry = self.sockets.vacant_entry();
        let key = entry.key();
        // An IPv4 client on a dual-stack socket is known by its IPv4 address.
        let ip = remote.ip().to_canonical().to_string();
        let Some(id) = hub.open(Owner::Reactor(key), (&ip, remote.port()), grpc_only, now_ms) else {
            // One attempt to say why; what a gRPC client makes of it is the same as of a closed connection.
            let _ = stream.write(TOO_MANY_CONNECTIONS);
            return;
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, Token(key), interest).is_err() {
            hub.closed(id, now_ms);
            return;
        }
        entry.insert(Socket::new(id, stream));
    }

    /// Reads once and lets the hub answer. The next flush writes the answers; only when there are very many for one
    /// connection are they written at once, before those of others push them out of the processor's cache.
    fn read(&mut self, hub: &mut Hub, id: ConnectionId, now_ms: u64) {
        let Some(socket) = socket_of(&mut self.sockets, hub, id) else { return };
        if hub.is_congested(id) {
            // Its end will not be read before the answer is written, and nobody may be waiting for that.
            socket.is_paused = true;
            if socket.is_broken {
                self.remove(hub, id, now_ms);
            } else if socket.may_have_ended && hub.is_hanging(id) {
                hub.end_of_input(id, now_ms);
            }
            return;
        }
        match socket.read(&mut self.scratch) {
            Read::Some { bytes, is_drained } => {
                if let Some(output) = hub.output(id).filter(|output| output.capacity() <= limits::IDLE_BUFFER_BYTES)
                    && output.is_empty()
                    && let Some(spare) = self.spare.pop()
                {
                    *output = spare;
                }
                hub.feed(id, &self.scratch[..bytes], now_ms);
                let output_bytes = hub.output(id).map_or(0, |output| output.len());
                if is_drained && output_bytes == 0 {
                    socket.acknowledge();
                }
                if !is_drained {
                    self.unfinished.push_back(id);
                }
                if output_bytes >= WRITE_AT_ONCE_BYTES {
                    self.write(hub, id, now_ms);
                }
            }
            Read::Nothing => {}
            Read::End => hub.end_of_input(id, now_ms),
            Read::Broken => self.remove(hub, id, now_ms),
        }
    }

    /// Writes what is waiting; closes the connection if that was all there is to come.
    fn write(&mut self, hub: &mut Hub, id: ConnectionId, now_ms: u64) {
        let Some(socket) = socket_of(&mut self.sockets, hub, id) else { return };
        loop {
            let Some(output) = hub.output(id) else { return };
            if output.is_empty() {
                break;
            }
            match socket.write(output) {
                Ok(0) => break,
                Ok(written) if written == output.len() => {
                    output.clear();
                    if output.capacity() > limits::IDLE_BUFFER_BYTES {
                        let emptied = std::mem::take(output);
                        let is_kept = self.spare.len() < SPARE_BUFFERS_COUNT_MAX;
                        if is_kept && emptied.capacity() <= limits::SPARE_BUFFER_BYTES_MAX {
                            self.spare.push(emptied);
                        }
                    }
                    hub.output_taken(id);
                }
                Ok(written) => {
                    output.drain(..written);
                    hub.some_output_taken(id, now_ms);
                }
                Err(_) => return self.remove(hub, id, now_ms),
            }
        }
        let is_empty = hub.output(id).is_none_or(|output| output.is_empty());
        if (is_empty && hub.wants_close(id)) || hub.is_stuck(id) {
            return self.remove(hub, id, now_ms);
        }
        let is_abandoned = socket.may_have_ended && hub.is_hanging(id);
        if socket.is_paused && (is_abandoned || !hub.is_congested(id)) {
            socket.is_paused = false;
            self.unfinished.push_back(id);
        }
    }

    /// Writes what replies and pushes have queued since the last turn, and closes what is to be closed. If a connection
    /// can go on with what it has sent meanwhile, the descriptor becomes readable: the system will not say so again.
    pub fn flush(&mut self, hub: &mut Hub, now_ms: u64) -> io::Result<()> {
        self.write_dirty(hub, now_ms);
        if self.unfinished.is_empty() { Ok(()) } else { self.waker.wake() }
    }

    fn write_dirty(&mut self, hub: &mut Hub, now_ms: u64) {
        for id in hub.take_dirty_reactor() {
            self.write(hub, id, now_ms);
        }
    }

    fn remove(&mut self, hub: &mut Hub, id: ConnectionId, now_ms: u64) {
        if let Some(Owner::Reactor(key)) = hub.owner(id) {
            if let Some(mut socket) = self.sockets.try_remove(key) {
                let _ = self.poll.registry().deregister(&mut socket.stream);
            }
            hub.closed(id, now_ms);
        }
    }

    pub fn connection_count(&self) -> usize {
        self.sockets.len()
    }

    /// Takes no new connections.
    pub fn stop_listening(&mut self) {
        for mut listener in self.listeners.drain(..) {
            let _ = self.poll.registry().deregister(&mut listener.socket);
        }
    }

    /// Closes every connection, after one last attempt to write what it has.
    pub fn close(&mut self, hub: &mut Hub, now_ms: u64) {
        self.stop_listening();
        let ids: Vec<ConnectionId> = self.sockets.iter().map(|(_, socket)| socket.id).collect();
        for id in ids {
            hub.close(id);
            self.write(hub, id, now_ms);
            self.remove(hub, id, now_ms);
        }
    }
}

fn socket_of<'a>(sockets: &'a mut Slab<Socket>, hub: &Hub, id: ConnectionId) -> Option<&'a mut Socket> {
    match hub.owner(id)? {
        Owner::Reactor(key) => sockets.get_mut(key).filter(|socket| socket.id == id),
        Owner::Streams => None,
    }
}

/// A listener of one's own from somebody else's descriptor, which stays theirs.
pub fn duplicate_listener(fd: RawFd) -> io::Result<StdListener> {
    // SAFETY: the descriptor is only borrowed for the duration of the call that duplicates it; if it is not open, the
    // system says so.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(StdListener::from(borrowed.try_clone_to_owned()?))
}
