//! The first thread of the program: on macOS no other may show something.

use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use objc2::MainThreadMarker;
use objc2::rc::autoreleasepool;
use objc2_app_kit::{NSApplication, NSApplicationActivationPolicy, NSEventMask};
use objc2_foundation::{NSDate, NSDefaultRunLoopMode};
use tokio::runtime::Runtime;
use tokio::task::{JoinError, JoinHandle};

enum Wish {
    Begin(Box<dyn FnOnce() + Send>),
    End,
}

static WISHES: OnceLock<mpsc::Sender<Wish>> = OnceLock::new();

/// Waits for the command on the first thread, which meanwhile does what [`begin`] gives it.
pub(crate) fn wait<T: Send + 'static>(runtime: &Runtime, command: JoinHandle<T>) -> Result<T, JoinError> {
    let (wishes, wished) = mpsc::channel();
    let _ = WISHES.set(wishes.clone());
    let outcome = runtime.spawn(async move {
        let outcome = command.await;
        let _ = wishes.send(Wish::End);
        outcome
    });
    while let Ok(Wish::Begin(job)) = wished.recv() {
        job();
    }
    runtime.block_on(outcome)?
}

/// Begins it on a thread that may show something.
pub(crate) fn begin(job: impl FnOnce() + Send + 'static) {
    let job = || {
        if let Some(main) = MainThreadMarker::new() {
            let app = NSApplication::sharedApplication(main);
            // In the menu bar, and neither in the Dock nor among the menus.
            app.setActivationPolicy(NSApplicationActivationPolicy::Accessory);
            app.finishLaunching();
            job();
        }
    };
    if let Some(wishes) = WISHES.get() {
        let _ = wishes.send(Wish::Begin(Box::new(job)));
    }
}

/// Does what the system has for this thread, and waits so long for more.
pub(crate) fn turn(within: Duration) {
    let Some(main) = MainThreadMarker::new() else {
        return;
    };
    autoreleasepool(|_| {
        let app = NSApplication::sharedApplication(main);
        let until = NSDate::dateWithTimeIntervalSinceNow(within.as_secs_f64());
        // SAFETY: a constant of the system's.
        #[allow(unsafe_code)]
        let mode = unsafe { NSDefaultRunLoopMode };
        while let Some(event) =
            app.nextEventMatchingMask_untilDate_inMode_dequeue(NSEventMask::Any, Some(&until), mode, true)
        {
            app.sendEvent(&event);
        }
    });
}
