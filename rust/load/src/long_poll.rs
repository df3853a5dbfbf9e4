//! The 1.x form of a config push: each listener's request hangs until the config changes.

use crate::connection::{Answer, Connection, ConnectionError, SCRATCH_BYTES};
use crate::expect::{Expect, shown};
use crate::http_connection::{HttpConnection, Requests};
use crate::ledger::Ledger;
use crate::loads::{asking, first_serial};
use crate::options::Options;
use crate::push::{PAUSE, PUSH_TIMEOUT, ROUNDS_COUNT_MIN, count_missing};
use crate::requests::{WATCHED_CONFIG, content, http_watched_listen, http_watched_publish, md5};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Runs `http-config-push`, or returns None for another name.
pub fn run(options: &Options) -> Result<Option<Ledger>, ConnectionError> {
    if options.operation != "http-config-push" { Ok(None) } else { rounds(options).map(Some) }
}

/// Changes the watched config to the content with this serial number.
fn publish(publisher: &mut HttpConnection, host: &str, serial: u64) -> Result<(), ConnectionError> {
    let mut request = Vec::new();
    http_watched_publish(host).write(0, serial, &mut request);
    match publisher.ask(&request)? {
        (200, body) if body == b"true" => Ok(()),
        (status, body) => Err(ConnectionError::Refused(format!("HTTP status {status}: {}", shown(&body)))),
    }
}

fn rounds(options: &Options) -> Result<Ledger, ConnectionError> {
    let host = &options.http.to_string();
    let mut publisher = asking(options)?;
    let mut listeners = (0..options.connections).map(|_| asking(options)).collect::<Result<Vec<_>, _>>()?;
    let mut poll = Poll::new()?;
    for (index, listener) in listeners.iter().enumerate() {
        listener.socket().set_nonblocking(true)?;
        poll.registry().register(&mut SourceFd(&listener.socket().as_raw_fd()), Token(index), Interest::READABLE)?;
    }
    let mut ledger = Ledger::new();
    let mut serial = first_serial();
    publish(&mut publisher, host, serial)?;
    let begin = Instant::now();
    let mut round = 0;
    while round < ROUNDS_COUNT_MIN || begin.elapsed() < options.warm_up + options.measured {
        let request = http_watched_listen(host, &md5(&content(serial)));
        for listener in &mut listeners {
            listener.prepare(Requests::once(request.clone(), Expect::Mention(WATCHED_CONFIG.to_owned())));
            listener.start(0)?;
            listener.flush()?;
        }
        if hear(&mut poll, &mut listeners, Instant::now(), PAUSE, &mut Ledger::new())?.contains(&false) {
            ledger.fail(1, "a long poll was answered before the config changed");
            break;
        }
        serial += 1;
        let changed = Instant::now();
        publish(&mut publisher, host, serial)?;
        let waiting = hear(&mut poll, &mut listeners, changed, PUSH_TIMEOUT, &mut ledger)?;
        count_missing(&mut ledger, &waiting);
        if ledger.errors_count > 0 {
            break;
        }
        round += 1;
    }
    Ok(ledger)
}

/// Records the answers that come until all have come or the time is over; says who still waits.
fn hear(
    poll: &mut Poll,
    listeners: &mut [HttpConnection],
    since: Instant,
    limit: Duration,
    ledger: &mut Ledger,
) -> Result<Vec<bool>, ConnectionError> {
    let mut waiting = vec![true; listeners.len()];
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; SCRATCH_BYTES];
    let mut answers: Vec<Answer> = Vec::new();
    while waiting.contains(&true) && since.elapsed() < limit {
        poll.poll(&mut events, Some(limit.saturating_sub(since.elapsed())))?;
        for event in &events {
            let index = event.token().0;
            listeners[index].receive(&mut scratch, &mut answers)?;
            for answer in answers.drain(..) {
                waiting[index] = false;
                ledger.record(&answer, since.elapsed().as_nanos() as u64, true);
            }
        }
    }
    Ok(waiting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn answers_are_recorded_and_who_waits_is_told() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = server.local_addr().expect("bound");
        let request = crate::template::Template::new("POST / HTTP/1.1\r\n\r\n");
        let mut listeners = Vec::new();
        let mut poll = Poll::new().expect("a poll");
        let mut sockets = Vec::new();
        for index in 0..2 {
            let requests = Requests::once(request.clone(), Expect::Mention("key".into()));
            let mut listener = HttpConnection::open(address, requests).expect("a listening server");
            listener.socket().set_nonblocking(true).expect("a socket");
            let descriptor = listener.socket().as_raw_fd();
            poll.registry().register(&mut SourceFd(&descriptor), Token(index), Interest::READABLE).expect("a socket");
            listener.start(0).expect("room");
            listener.flush().expect("a socket");
            listeners.push(listener);
            sockets.push(server.accept().expect("a client").0);
        }
        sockets[1].read_exact(&mut vec![0; request.len()]).expect("a request");
        sockets[1].write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nkey").expect("a client");
        let mut ledger = Ledger::new();
        let since = Instant::now();
        let waiting = hear(&mut poll, &mut listeners, since, Duration::from_millis(300), &mut ledger).expect("heard");
        assert_eq!(waiting, [true, false]);
        assert_eq!((ledger.answers_count, ledger.errors_count), (1, 0));
    }
}
