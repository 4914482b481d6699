//! `aoe-lab`: two sites on one machine, shown by one command.

fn main() {
    aoe_lab::isolation::run_as_init_if_asked();
}
