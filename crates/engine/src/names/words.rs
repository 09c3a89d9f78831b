//! The words of made-up names: how somebody may be, and whose work we build on.

use super::pick;
use error::Result;

/// How a container may be. No word here scolds, and none is `boring`: Steve Wozniak is not.
const ADJECTIVES: &str = "\
able airy alert amber ample apt arctic ardent balmy bold bright brisk bubbly calm candid careful cheery civil clear
clever cosmic cozy crisp curious dapper daring deft dewy eager early earnest fair faithful fearless fine fleet fluent
fond frank fresh gentle gifted glad golden grand hardy hearty helpful honest humble ideal jaunty jolly joyful keen
kind lively loyal lucid lucky mellow merry mild mindful modest neat nimble noble open patient placid plucky polite
prompt proud quick quiet ready robust rosy serene silent sincere sleek smooth snug solar spry steady subtle sunny
swift tidy tranquil trusty upbeat vivid warm wise witty";

/// People of science and engineering.
const SURNAMES: &str = "\
abel alhazen ampere anning apgar archimedes avicenna avogadro babbage backus bell benz bernoulli blackwell bohr
boltzmann boole bose brahe braun cantor carson cauchy cavendish cerf chebyshev copernicus coulomb curie darwin davy
descartes diesel dijkstra dirac edison einstein engelbart euclid euler faraday fermat fermi feynman fibonacci fourier
franklin galilei galois gauss germain goodall gutenberg halley hamilton heisenberg herschel hertz hilbert hodgkin
hopper hubble huygens hypatia jacquard joule kepler khwarizmi knuth kovalevskaya lagrange lamarr laplace lavoisier
leavitt leibniz linnaeus lovelace maxwell meitner mendel mendeleev mirzakhani newton nobel noether pascal pasteur
planck ramanujan ritchie sagan shannon tesla thompson torvalds turing volta watt zuse";

/// `keen_noether`
pub(super) fn made_up() -> Result<String> {
    Ok(format!("{}_{}", one_of(ADJECTIVES)?, one_of(SURNAMES)?))
}

fn one_of(list: &'static str) -> Result<&'static str> {
    let words: Vec<_> = list.split_whitespace().collect();
    Ok(words[pick(words.len())?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_hold_different_words_that_make_valid_names() {
        for list in [ADJECTIVES, SURNAMES] {
            let words: Vec<_> = list.split_whitespace().collect();
            assert_eq!(words.len(), 100);
            assert!(words.is_sorted_by(|a, b| a < b), "sorted, hence each once");
            assert!(words.iter().all(|word| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase())));
        }
    }

    #[test]
    fn steve_wozniak_is_not_boring() {
        assert!(!ADJECTIVES.contains("boring") && !SURNAMES.contains("wozniak"));
    }
}
