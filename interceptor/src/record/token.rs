//! `audit token`: the token of a card number, by which the records about that card are found.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::io::{BufRead, IsTerminal, Read, Stdin};
use std::path::Path;

use anyhow::{Context, Result, bail};
use audit::token::{CardKey, CardToken};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::reading;
use crate::checkpoints::Checkpoints;
use crate::config::Config;

/// The longest line that is read.
const TYPED_MAX: u64 = 256;

/// `audit token`: reads one card number from standard input and prints its token. Who asked is in the record, the number is nowhere.
pub fn token(config: &Path) -> Result<u8> {
    // What is a card number is what the service takes for one, of further issuers too.
    let state = Config::load(config)?.installed()?.service.state_dir;
    let secret = Checkpoints::kept_secret(&state)
        .with_context(|| {
            format!("cannot read the secret of this host's record in {}: run it as root", state.display())
        })?
        .with_context(|| format!("nothing in {} yet: the service has not run on this host", state.display()))?;
    let token = of(&secret, &typed()?)?;
    reading::begins(config, None, "a card's token")?;
    println!("{token}");
    Ok(0)
}

fn of(secret: &[u8], typed: &str) -> Result<CardToken> {
    let key = CardKey::derived(secret).context("the key of card tokens cannot be derived")?;
    match key.tokens(typed.as_bytes()).as_slice() {
        [token] => Ok(*token),
        [] => bail!("that is no card number by issuer range, length and check digit, so no record has a token of it"),
        _ => bail!("more than one card number: type one"),
    }
}

/// A line of standard input; of a terminal, without its echo.
fn typed() -> Result<Zeroizing<String>> {
    let input = std::io::stdin();
    let silence = input.is_terminal().then(|| Silence::of(&input)).transpose()?;
    if silence.is_some() {
        eprint!("Card number (not shown): ");
    }
    let mut line = Zeroizing::new(String::with_capacity(TYPED_MAX as usize + 1));
    let read = input.lock().take(TYPED_MAX).read_line(&mut line).context("standard input cannot be read");
    if silence.is_some() {
        eprintln!();
    }
    read.map(|_| line)
}

/// A terminal that shows nothing of what is typed, as long as this lives.
struct Silence<'a>(&'a Stdin, Termios);

impl<'a> Silence<'a> {
    fn of(terminal: &'a Stdin) -> Result<Silence<'a>> {
        let before = tcgetattr(terminal).context("the terminal cannot be asked")?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)
            .context("the terminal goes on showing what is typed: pipe the number in instead")?;
        Ok(Silence(terminal, before))
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.0, SetArg::TCSAFLUSH, &self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_a_token_and_no_error_repeats_what_was_typed() {
        let card = "4111 1111 1111 1111\n";
        let expected = CardKey::derived(b"a secret").unwrap().token(b"4111111111111111");
        assert_eq!(of(b"a secret", card).unwrap(), expected);
        for (typed, why) in [
            ("", "no card number"),
            ("4111 1111 1111 1112", "no card number"),
            ("4111111111111111, 378282246310005", "more than one"),
        ] {
            let said = format!("{:#}", of(b"a secret", typed).unwrap_err());
            assert!(said.contains(why) && !said.contains("1111"));
        }
    }
}
