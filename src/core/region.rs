//! The region in which a user's object should be created.
//!
//! An object is created near its first caller and stays there. If somebody other than the user calls it first
//! (with a bulk send or a query), the user's region, if known, is given as a location hint (Durable Objects,
//! "Data location": only the hint of the first `get` counts).

use serde::{Deserialize, Serialize};

use super::error::named;

/// A Durable Object location hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// Western North America
    Wnam,
    /// Eastern North America
    Enam,
    /// South America
    Sam,
    /// Western Europe
    Weur,
    /// Eastern Europe
    Eeur,
    /// Asia-Pacific
    Apac,
    /// Oceania
    Oc,
    /// Africa
    Afr,
    /// Middle East
    Me,
}

/// The countries of the Middle East (ISO 3166), for which there is no continent code.
const MIDDLE_EAST: [&str; 15] = [
    "AE", "BH", "CY", "IL", "IQ", "IR", "JO", "KW", "LB", "OM", "PS", "QA", "SA", "SY", "YE",
];

/// The longitude, in degrees, at which Eastern Europe begins.
const EASTERN_EUROPE: f64 = 15.0;

/// The longitude, in degrees, at which Eastern North America begins.
const EASTERN_AMERICA: f64 = -100.0;

impl Region {
    /// Returns the location hint, which is also the stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wnam => "wnam",
            Self::Enam => "enam",
            Self::Sam => "sam",
            Self::Weur => "weur",
            Self::Eeur => "eeur",
            Self::Apac => "apac",
            Self::Oc => "oc",
            Self::Afr => "afr",
            Self::Me => "me",
        }
    }

    /// Reads a location hint such as `weur`.
    pub fn read(name: &str) -> Option<Self> {
        named(name)
    }

    /// Returns the region of a place: its continent (`AF`, `AS`, `EU`, `NA`, `OC`, `SA`), country (ISO 3166)
    /// and longitude in degrees, as Cloudflare reports them for a request.
    pub fn of(continent: &str, country: Option<&str>, longitude: Option<f64>) -> Option<Self> {
        if country.is_some_and(|country| MIDDLE_EAST.contains(&country)) {
            return Some(Self::Me);
        }
        let is_east = |line: f64| longitude.is_some_and(|longitude| longitude >= line);
        match continent {
            "AF" => Some(Self::Afr),
            "AS" => Some(Self::Apac),
            "OC" => Some(Self::Oc),
            "SA" => Some(Self::Sam),
            "EU" if is_east(EASTERN_EUROPE) => Some(Self::Eeur),
            "EU" => Some(Self::Weur),
            "NA" if longitude.is_none() || is_east(EASTERN_AMERICA) => Some(Self::Enam),
            "NA" => Some(Self::Wnam),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_regions() {
        let of = |continent, country, longitude| Region::of(continent, Some(country), longitude);
        assert_eq!(of("EU", "DE", Some(8.7)), Some(Region::Weur));
        assert_eq!(of("EU", "PL", Some(21.0)), Some(Region::Eeur));
        assert_eq!(of("NA", "US", Some(-122.4)), Some(Region::Wnam));
        assert_eq!(of("NA", "US", Some(-74.0)), Some(Region::Enam));
        assert_eq!(of("AS", "AE", Some(55.3)), Some(Region::Me));
        assert_eq!(of("AS", "JP", Some(139.7)), Some(Region::Apac));
        assert_eq!(Region::of("EU", None, None), Some(Region::Weur));
        assert_eq!(Region::of("NA", None, None), Some(Region::Enam));
        assert_eq!(Region::of("AN", None, None), None);
    }

    #[test]
    fn names_read_back() {
        for name in [
            "wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me",
        ] {
            assert_eq!(Region::read(name).unwrap().as_str(), name);
        }
        assert_eq!(Region::read("mars"), None);
    }
}
