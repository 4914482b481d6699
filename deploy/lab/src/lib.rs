//! aoe-lab
