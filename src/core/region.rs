//! Where a user's object should live.
//!
//! An object is created near whoever touches it first, and stays there. When that is somebody else
//! (a contractor's bulk send, a query), the user's region, if known, is given as a location hint
//! (Durable Objects, "Data location": hints count for the first `get` only).

use serde::{Deserialize, Serialize};

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

/// The countries of the Middle East (ISO 3166), which the continents do not tell.
const MIDDLE_EAST: [&str; 15] = [
    "AE", "BH", "CY", "IL", "IQ", "IR", "JO", "KW", "LB", "OM", "PS", "QA", "SA", "SY", "YE",
];

/// East of this longitude, Europe is its east.
const EASTERN_EUROPE: f32 = 15.0;

/// East of this longitude, North America is its east.
const EASTERN_AMERICA: f32 = -100.0;

impl Region {
    /// As it is stored, and given to the platform.
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

    /// Reads a name.
    pub fn read(name: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::from(name)).ok()
    }

    /// The region of a place: continent (`AF`, `AS`, `EU`, `NA`, `OC`, `SA`), country (ISO 3166) and
    /// longitude, as the platform knows them of a request.
    pub fn of(continent: &str, country: Option<&str>, longitude: Option<f32>) -> Option<Self> {
        if country.is_some_and(|country| MIDDLE_EAST.contains(&country)) {
            return Some(Self::Me);
        }
        let is_east = |line: f32| longitude.is_some_and(|longitude| longitude >= line);
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
