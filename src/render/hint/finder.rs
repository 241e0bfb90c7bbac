//! Which class of messages a message is of, found in one look at it.
//!
//! Every failure is looked at, in each notice that lists it, so this must not cost: looking for
//! the words one after the other took most of the time that a webhook's body takes.

use std::sync::LazyLock;

use super::known::{MESSAGES, Words};

/// A word's number, as a bit.
type Bits = u128;

/// The words of all classes, by their first byte.
struct Finder {
    words: Vec<Vec<(&'static [u8], Bits)>>,
    classes: Vec<Class>,
}

/// A class of messages: one of `any` is in it, and one of `and` if there are some.
struct Class {
    any: Bits,
    and: Bits,
    words: Words,
}

static FINDER: LazyLock<Finder> = LazyLock::new(Finder::new);

/// What to do about a message, in the words of the first class that it is of.
pub(super) fn words_about(message: &str) -> Option<Words> {
    FINDER.words_about(message)
}

impl Finder {
    fn new() -> Self {
        let mut words: Vec<Vec<(&'static [u8], Bits)>> = vec![Vec::new(); 256];
        let mut number = |word: &'static str| -> Bits {
            let first = word.bytes().next().map(usize::from).unwrap_or_default();
            let known: usize = words.iter().map(Vec::len).sum();
            let Some(same_first) = words.get_mut(first) else { return 0 };
            if let Some((_, bit)) = same_first.iter().find(|(known, _)| *known == word.as_bytes()) {
                return *bit;
            }
            // A test counts them.
            let bit = u32::try_from(known).ok().and_then(|known| Bits::checked_shl(1, known));
            let bit = bit.unwrap_or_default();
            same_first.push((word.as_bytes(), bit));
            bit
        };
        let mut bits =
            |words: &[&'static str]| words.iter().fold(0, |bits, word| bits | number(word));
        let classes = MESSAGES.iter().map(|known| Class {
            any: bits(known.any),
            and: bits(known.and),
            words: known.words,
        });
        let classes = classes.collect();
        Self { words, classes }
    }

    fn words_about(&self, message: &str) -> Option<Words> {
        let mut rest = message.as_bytes();
        let mut found: Bits = 0;
        while let Some((first, behind)) = rest.split_first() {
            let first = usize::from(first.to_ascii_lowercase());
            for (word, bit) in self.words.get(first).into_iter().flatten() {
                let here = rest.get(..word.len());
                if here.is_some_and(|here| here.eq_ignore_ascii_case(word)) {
                    found |= bit;
                }
            }
            rest = behind;
        }
        let is_about =
            |class: &&Class| found & class.any != 0 && (class.and == 0 || found & class.and != 0);
        self.classes.iter().find(is_about).map(|class| class.words)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::render::Language;

    /// Looks for the words one after the other.
    fn slowly(message: &str) -> Option<Words> {
        let lower = message.to_lowercase();
        let holds = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let about = MESSAGES
            .iter()
            .find(|known| holds(known.any) && (known.and.is_empty() || holds(known.and)));
        about.map(|known| known.words)
    }

    #[test]
    fn every_word_has_a_bit_of_its_own() {
        let words = MESSAGES.iter().flat_map(|known| known.any.iter().chain(known.and));
        let words: BTreeSet<&str> = words.copied().collect();
        assert!(words.iter().all(|word| !word.is_empty() && *word == word.to_lowercase()));
        let bits: Vec<Bits> = FINDER.words.iter().flatten().map(|(_, bit)| *bit).collect();
        let distinct: BTreeSet<Bits> = bits.iter().copied().collect();
        assert_eq!((bits.len(), distinct.len()), (words.len(), words.len()));
        assert!(bits.iter().all(|bit| bit.is_power_of_two()));
    }

    #[test]
    fn one_look_finds_what_many_find() {
        let words = MESSAGES.iter().flat_map(|known| known.any.iter().chain(known.and));
        let words: Vec<&str> = words.copied().collect();
        let mut messages = vec![String::new(), "x".repeat(500), "服务器不可用".to_owned()];
        for one in &words {
            messages.push(format!("The {} failed.", one.to_uppercase()));
            for two in &words {
                messages.push(format!("{one}{two}"));
                messages.push(format!("错误：{two}, {one}"));
            }
        }
        for message in &messages {
            let [quick, slow] = [words_about(message), slowly(message)]
                .map(|found| found.map(|words| words.in_language(Language::English)));
            assert_eq!(quick, slow, "{message}");
        }
    }
}
