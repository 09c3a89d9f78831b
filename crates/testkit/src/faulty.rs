//! A registry on loopback that answers whatever the test says, and remembers what it was asked.

use crate::http::{Answer, Request};
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A client that sends nothing for so long has forgotten its connection.
const IDLE: Duration = Duration::from_secs(30);

/// A plain http server in threads; it ends when dropped.
///
/// ```
/// use testkit::{Answer, FaultyRegistry, Sample};
/// let sample = Sample::new(100);
/// let registry = FaultyRegistry::start(move |request, count| match count {
///     0 => Answer::new(429).header("Retry-After", "0"), // the very first request
///     _ => sample.answer(request),
/// });
/// let reference = format!("{}/some/image:latest", registry.addr());
/// # assert!(reference.starts_with("127.0.0.1:"));
/// ```
#[derive(Debug)]
pub struct FaultyRegistry {
    addr: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    requests: Mutex<Vec<Request>>,
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        // A list of requests is whole whatever thread died while it held the lock.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultyRegistry {
    /// Serves on a free port. The closure gets each request and how many came before it.
    pub fn start(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let addr = socket.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let (answer, seen) = (Arc::new(answer), Arc::clone(&shared));
        let listener = std::thread::spawn(move || {
            for connection in socket.incoming() {
                if seen.over.load(Ordering::SeqCst) {
                    return;
                }
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                let connection = connection.expect("loopback connections are accepted");
                std::thread::spawn(move || serve(connection, &*answer, &seen));
            }
        });
        Self { addr, shared, listener: Some(listener) }
    }

    /// `127.0.0.1:port`, the host part of a reference.
    pub fn addr(&self) -> String {
        self.addr.to_string()
    }

    /// Everything asked so far, in the order it came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests().clone()
    }
}

fn serve(mut connection: TcpStream, answer: &dyn Fn(&Request, usize) -> Answer, shared: &Shared) {
    connection.set_read_timeout(Some(IDLE)).expect("the time is not zero");
    connection.set_nodelay(true).expect("TCP has this option");
    let mut reader = BufReader::new(connection.try_clone().expect("descriptors are left"));
    while let Some(request) = Request::read(&mut reader) {
        let count = {
            let mut requests = shared.requests();
            requests.push(request.clone());
            requests.len() - 1
        };
        // Outside the lock: an answer may take its time.
        if !answer(&request, count).write(&mut connection, request.method == "HEAD") {
            return;
        }
    }
}

impl Drop for FaultyRegistry {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the listener, which sees that it is over. Connections end with their clients.
        let _ = TcpStream::connect(self.addr);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}
