//! (skeleton) image references
