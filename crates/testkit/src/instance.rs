//! One instance of a service, on a thread of its own.

use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

/// Ends with this value.
pub struct Instance {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Instance {
    /// Runs `serve` in an actix system of its own. It tells its address, with something besides, and ends when the receiver
    /// that it is given does. Gives what it told.
    pub fn start<T: Send + 'static>(
        serve: impl AsyncFnOnce(Sender<(SocketAddr, T)>, oneshot::Receiver<()>) + Send + 'static,
    ) -> (Self, T) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(serve(tell, stopped));
        });
        let (address, besides) = told.recv().unwrap();
        (Self { address, stop: Some(stop), thread: Some(thread) }, besides)
    }

    /// Asks it to stop, and does not wait.
    pub fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has stopped.
    pub fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the instance ended well");
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("an instance did not end well");
        }
    }
}
