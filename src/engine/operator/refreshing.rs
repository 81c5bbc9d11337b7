//! A step that is made again when a file has changed which it was made from.

use super::{BatchContext, Step};
use crate::engine::{EngineError, Frame};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The state of files; `None` for one that does not matter, or is gone for a moment.
type Fingerprints = Vec<Option<u64>>;
type Look = dyn Fn() -> Result<Fingerprints, EngineError> + Send + Sync;
type Make<S> = dyn Fn() -> Result<S, EngineError> + Send + Sync;

/// A step over tables with `refresh`.
pub struct Refreshing<S> {
    step: RwLock<Arc<S>>,
    known: Mutex<Fingerprints>,
    look: Box<Look>,
    make: Box<Make<S>>,
}

impl<S: Step> Refreshing<S> {
    /// Made now; before each batch `look` tells whether `make` is called again.
    ///
    /// # Errors
    /// Those of the two.
    pub fn new(
        look: impl Fn() -> Result<Fingerprints, EngineError> + Send + Sync + 'static,
        make: impl Fn() -> Result<S, EngineError> + Send + Sync + 'static,
    ) -> Result<Refreshing<S>, EngineError> {
        let known = Mutex::new(look()?);
        let step = RwLock::new(Arc::new(make()?));
        Ok(Refreshing { step, known, look: Box::new(look), make: Box::new(make) })
    }

    fn step(&self) -> Arc<S> {
        Arc::clone(&self.step.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Step> Step for Refreshing<S> {
    fn name(&self) -> &'static str {
        self.step().name()
    }

    fn begin(&self) -> Result<(), EngineError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.look)()?;
        // Files that are gone for a moment count as unchanged.
        if now.iter().zip(&*known).any(|(now, known)| now.is_some() && now != known) {
            *self.step.write().unwrap_or_else(PoisonError::into_inner) = Arc::new((self.make)()?);
            *known = now;
        }
        Ok(())
    }

    fn apply(&self, frame: Frame, context: &BatchContext) -> Result<Frame, EngineError> {
        self.step().apply(frame, context)
    }
}
