//! Ending what is under way for callers that may no longer call.
//!
//! Each worker thread knows its own open calls, so nothing of a request crosses threads. What was changed is sent to all
//! of them; they look through their calls and wake those that are concerned, which end with the error that a new request
//! would get, settled with what was produced.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    future::poll_fn,
    pin::pin,
    rc::{Rc, Weak},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use maas_keys::PublicId;
use maas_llm::error::ApiErrorCode;
use maas_types::{Clock, Timestamp, UserId};
use tokio::sync::mpsc;

use crate::{
    state::{KeyStanding, State, UserEntry},
    tokens::VerifiedToken,
};

/// Below this many the list of open calls is not looked through for ended ones.
const FEW_CALLS: usize = 64;

/// Keys and people that changed so that they may have lost something.
#[derive(Debug, Default)]
pub struct Touched {
    pub keys: HashSet<PublicId>,
    pub users: HashSet<UserId>,
}

impl Touched {
    fn concerns(&self, caller: &CallerIdentity) -> bool {
        caller.key.is_some_and(|key| self.keys.contains(&key)) || self.users.contains(&caller.user)
    }
}

/// Who has made a call, as far as it can be taken away from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    pub key: Option<PublicId>,
    pub token: Option<Arc<VerifiedToken>>,
    pub user: UserId,
}

impl CallerIdentity {
    /// Why a call of theirs has to end; `None`: it need not. The same answers as a new request would get.
    pub fn lost(&self, state: &State, now: Timestamp) -> Option<ApiErrorCode> {
        let user = state.users.get(&self.user).filter(|user| user.may_call());
        let Some(key) = self.key else { return self.lost_token(user.as_deref()) };
        let Some(key) = state.keys.get(&key) else { return Some(ApiErrorCode::RevokedApiKey) };
        match key.standing(now) {
            KeyStanding::Revoked => return Some(ApiErrorCode::RevokedApiKey),
            KeyStanding::Blocked => return Some(ApiErrorCode::KeyBlocked),
            // Nobody took it away: what it has begun may end.
            KeyStanding::Expired | KeyStanding::Active => {}
        }
        let may_use_team = |team| user.as_ref().is_some_and(|user| user.may_use(team));
        let is_blocked = user.is_none() || key.team.is_some_and(|team| !may_use_team(team));
        is_blocked.then_some(ApiErrorCode::KeyBlocked)
    }

    fn lost_token(&self, user: Option<&UserEntry>) -> Option<ApiErrorCode> {
        let Some(user) = user else { return Some(ApiErrorCode::KeyBlocked) };
        let token = self.token.as_ref()?;
        (!user.accepts_token(token.id, token.issued_at)).then_some(ApiErrorCode::RevokedApiKey)
    }
}

/// Tells all worker threads what has changed.
#[derive(Default)]
pub struct Cutter {
    generation: AtomicU64,
    workers: Mutex<Vec<mpsc::UnboundedSender<Arc<Touched>>>>,
}

impl Cutter {
    /// Has the calls looked through that are concerned; each thread does it as its next turn.
    pub fn judge(&self, touched: Touched) {
        if touched.keys.is_empty() && touched.users.is_empty() {
            return;
        }
        // Before it is sent: who enters without having seen it is found by the message.
        self.generation.fetch_add(1, Ordering::SeqCst);
        let touched = Arc::new(touched);
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| worker.send(touched.clone()).is_ok());
    }

    /// Changes whenever somebody may have lost something. A call whose caller was checked under another one has to be
    /// checked again when it is entered.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The open calls of a worker thread; to be called on it.
    pub fn open_calls(&self, state: Arc<State>, clock: Arc<dyn Clock>) -> Rc<OpenCalls> {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Arc<Touched>>();
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        let calls = Rc::new(OpenCalls::default());
        let judged = Rc::downgrade(&calls);
        actix_web::rt::spawn(async move {
            while let Some(touched) = receiver.recv().await {
                let Some(calls) = judged.upgrade() else { return };
                calls.cut(&touched, &state, clock.now());
            }
        });
        calls
    }
}

/// The calls of one thread.
#[derive(Default)]
pub struct OpenCalls {
    /// Ended ones too, until the next look through.
    calls: RefCell<Vec<Weak<OpenCall>>>,
    look_through_at: Cell<usize>,
}

impl OpenCalls {
    /// Open until what it returns is dropped.
    pub fn enter(&self, caller: CallerIdentity) -> Rc<OpenCall> {
        let call = Rc::new(OpenCall { caller, cut: Cell::new(None), waker: RefCell::new(None) });
        let mut calls = self.calls.borrow_mut();
        if calls.len() >= self.look_through_at.get().max(FEW_CALLS) {
            calls.retain(|call| call.strong_count() > 0);
            self.look_through_at.set(calls.len() * 2);
        }
        calls.push(Rc::downgrade(&call));
        call
    }

    fn cut(&self, touched: &Touched, state: &State, now: Timestamp) {
        let open: Vec<Rc<OpenCall>> = self.calls.borrow().iter().filter_map(Weak::upgrade).collect();
        for call in open.iter().filter(|call| touched.concerns(&call.caller)) {
            if let Some(reason) = call.caller.lost(state, now) {
                call.cut(reason);
            }
        }
    }
}

/// One call, as its body and its waits look at it.
pub struct OpenCall {
    caller: CallerIdentity,
    cut: Cell<Option<ApiErrorCode>>,
    waker: RefCell<Option<Waker>>,
}

impl OpenCall {
    fn cut(&self, reason: ApiErrorCode) {
        self.cut.set(Some(reason));
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Why it has to end. If it need not, whoever asked is woken when it has to.
    pub fn poll_cut(&self, context: &mut Context<'_>) -> Option<ApiErrorCode> {
        if let Some(reason) = self.cut.get() {
            return Some(reason);
        }
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waker = Some(context.waker().clone()),
        }
        None
    }

    /// What `work` comes to, or why it had to end before; it is dropped then.
    pub async fn unless_cut<T>(&self, work: impl Future<Output = T>) -> Result<T, ApiErrorCode> {
        let mut work = pin!(work);
        poll_fn(|context| match self.poll_cut(context) {
            Some(reason) => Poll::Ready(Err(reason)),
            None => work.as_mut().poll(context).map(Ok),
        })
        .await
    }
}
