//! Routes of old APIs that this node was told not to serve: they go up even where the core holds the answer. Which they
//! are, and what their clients hear, is decided above.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// The methods that are retired, by path.
#[derive(Debug, Default)]
pub struct Retired(HashMap<Box<str>, Vec<Box<str>>, RandomState>);

impl Retired {
    pub fn new(routes: Vec<(String, String)>) -> Self {
        let mut methods: HashMap<Box<str>, Vec<Box<str>>, RandomState> = HashMap::default();
        for (method, path) in routes {
            methods.entry(path.into()).or_default().push(method.into());
        }
        Self(methods)
    }

    /// Without any, which is the rule, it costs one test.
    pub fn has(&self, method: &str, path: &str) -> bool {
        self.0.get(path).is_some_and(|methods| methods.iter().any(|each| **each == *method))
    }
}

#[cfg(test)]
mod tests {
    use super::Retired;

    #[test]
    fn a_route_is_a_method_and_a_path() {
        let routes = [("POST", "/a"), ("PUT", "/a"), ("POST", "/b")];
        let retired = Retired::new(routes.map(|(method, path)| (method.to_owned(), path.to_owned())).into());
        assert!(retired.has("POST", "/a") && retired.has("PUT", "/a") && retired.has("POST", "/b"));
        assert!(!retired.has("GET", "/a") && !retired.has("PUT", "/b") && !retired.has("POST", "/"));
        assert!(!Retired::default().has("POST", "/a"));
    }
}
