use std::collections::BTreeMap;

use super::*;

fn form(json: &str) -> Vec<u8> {
    let json: Box<RawValue> = serde_json::from_str(json).unwrap_or_else(|_| panic!("{json}"));
    canonical(&json)
}

#[test]
fn spelling_makes_no_difference() {
    for same in [
        &[r#"{"a":1,"b":[2,3]}"#, "{ \"b\" :\t[2 ,3],\r\n\"a\":1 }"][..],
        &[r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"c":2,"b":1}}"#],
        &[
            r#""/\\\"é😀\n""#,
            r#""\/\u005C\u0022\u00e9\ud83D\uDE00\u000a""#,
        ],
        &[r#"{"é":1}"#, r#"{"\u00E9":1}"#],
        &[
            "1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "1.000", "100E-2",
        ],
        &["0", "-0", "0.0", "0e7", "-0.000e-999999999999999999999"],
        &["-1500", "-1.5e3", "-0.15e+04"],
        &["1e400", "10e399", "1.0E400"],
        &["9007199254740993", "9007199254740993.0"],
        // The last member of the same name counts.
        &[r#"{"a":1,"a":2}"#, r#"{"a":2}"#],
        &[r#""\ud800""#, r#""\uD800""#],
    ] {
        for json in same {
            assert_eq!(form(json), form(same[0]), "{json}");
        }
    }
}

#[test]
fn what_differs_stays_different() {
    let all = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "10",
        "1e400",
        "1e401",
        "-1e400",
        "1e-400",
        "9007199254740992",
        "9007199254740993",
        "0.1",
        "0.10000000000000001",
        r#""""#,
        r#""1""#,
        r#""null""#,
        r#""a""#,
        r#""A""#,
        r#""\ud800""#,
        r#""\ud801""#,
        r#""\udc00\ud800""#,
        r#""\ud800\udc00""#,
        r#""\ufffd""#,
        r#""é""#,
        r#""e\u0301""#,
        r#""\\""#,
        r#""\\\"""#,
        r#""\",\"""#,
        "[]",
        "[[]]",
        "[[],[]]",
        "[1]",
        "[1,2]",
        "[2,1]",
        "[12]",
        "{}",
        r#"{"a":[]}"#,
        r#"{"a":{}}"#,
        r#"{"a":1}"#,
        r#"{"a":1,"b":2}"#,
        r#"{"a":2,"b":1}"#,
        r#"{"a":"1,\"b\":2"}"#,
        r#"["a",1]"#,
        r#"{"\ud800":1}"#,
        r#"{"\ud801":1}"#,
    ];
    for (index, one) in all.iter().enumerate() {
        for other in &all[index + 1..] {
            assert_ne!(form(one), form(other), "{one} {other}");
        }
    }
}

#[test]
fn what_is_beyond_all_bounds_is_taken_as_it_is() {
    let far = "1e99999999999999999999";
    assert_eq!(form(far), far.as_bytes());
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let spaced = format!("{}{}", "[ ".repeat(10_000), "]".repeat(10_000));
    assert_eq!(form(&deep), form(&deep));
    assert_ne!(form(&deep), form(&spaced));
}

/// A JSON value. Strings are UTF-16; a number is a mantissa without trailing zeros, and a power of ten.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    Number(i64, i64),
    Text(Vec<u16>),
    Array(Vec<Value>),
    Object(BTreeMap<Vec<u16>, Value>),
}

/// Random numbers that are the same in every run: Knuth's MMIX generator.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn text(&mut self) -> Vec<u16> {
        const UNITS: [u16; 10] = [
            0x61, 0x22, 0x5c, 0x2f, 0x0a, 0xe9, 0xd83d, 0xde00, 0xfffd, 0,
        ];
        (0..self.below(4))
            .map(|_| UNITS[self.below(10) as usize])
            .collect()
    }

    /// Draws from few values of each kind, so that equal ones come up.
    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 4 } else { 6 }) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2 => match self.below(40) as i64 - 20 {
                zero if zero % 10 == 0 => Value::Number(0, 0),
                mantissa => Value::Number(mantissa, self.below(9) as i64 - 4),
            },
            3 => Value::Text(self.text()),
            4 => Value::Array((0..self.below(3)).map(|_| self.value(depth - 1)).collect()),
            _ => Value::Object(
                (0..self.below(3))
                    .map(|_| (self.text(), self.value(depth - 1)))
                    .collect(),
            ),
        }
    }

    fn space(&mut self) -> &'static str {
        ["", "", " ", "\n\t", "\r "][self.below(5) as usize]
    }

    /// Writes the value in one of its possible spellings.
    fn spell(&mut self, value: &Value) -> String {
        let json = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(mantissa, power) => self.spell_number(*mantissa, *power),
            Value::Text(units) => self.spell_text(units),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.spell(item)).collect();
                format!("[{}{}]", self.space(), items.join(","))
            }
            Value::Object(members) => {
                let mut spelt = Vec::new();
                for (name, value) in members {
                    let member = format!("{}:{}", self.spell_text(name), self.spell(value));
                    let at = self.below(spelt.len() as u64 + 1) as usize;
                    spelt.insert(at, member);
                }
                if let Some((name, _)) = members.first_key_value()
                    && self.below(4) == 0
                {
                    // An earlier member of the same name does not count.
                    spelt.insert(0, format!("{}:[0]", self.spell_text(name)));
                }
                format!("{{{}{}}}", self.space(), spelt.join(","))
            }
        };
        format!("{}{json}{}", self.space(), self.space())
    }

    fn spell_number(&mut self, mantissa: i64, power: i64) -> String {
        let sign = if mantissa < 0 { "-" } else { "" };
        let digits = mantissa.unsigned_abs().to_string();
        // No JSON number begins with two zeros.
        let zeros = if mantissa == 0 {
            0
        } else {
            self.below(3) as usize
        };
        let shifted = power - zeros as i64;
        match self.below(4) {
            0 => format!("{sign}{digits}{}e{shifted}", "0".repeat(zeros)),
            1 => format!("{sign}{digits}.{}E{power}", "0".repeat(zeros + 1)),
            2 => format!("{sign}0.{digits}e{}", power + digits.len() as i64),
            _ if power >= 0 => format!("{mantissa}{}", "0".repeat(power as usize)),
            _ => format!("{mantissa}e{power:+}"),
        }
    }

    fn spell_text(&mut self, units: &[u16]) -> String {
        let mut json = "\"".to_owned();
        for unit in char::decode_utf16(units.iter().copied()) {
            match unit {
                Ok(character) if self.below(2) == 0 => {
                    let mut buffer = [0; 2];
                    for unit in character.encode_utf16(&mut buffer) {
                        json.push_str(&self.escape(*unit));
                    }
                }
                Ok('"') => json.push_str("\\\""),
                Ok('\\') => json.push_str("\\\\"),
                Ok('\n') => json.push_str("\\n"),
                Ok('\0') => json.push_str("\\u0000"),
                Ok('/') if self.below(2) == 0 => json.push_str("\\/"),
                Ok(character) => json.push(character),
                Err(lone) => json.push_str(&self.escape(lone.unpaired_surrogate())),
            }
        }
        json.push('"');
        json
    }

    fn escape(&mut self, unit: u16) -> String {
        match self.below(2) {
            0 => format!("\\u{unit:04x}"),
            _ => format!("\\u{unit:04X}"),
        }
    }
}

#[test]
fn texts_have_the_same_form_exactly_if_they_are_equal() {
    let mut random = Random(7);
    let mut equal = 0;
    for _ in 0..20_000 {
        let (one, other) = (random.value(3), random.value(3));
        let spelt = random.spell(&one);
        let again = random.spell(&one);
        assert_eq!(form(&spelt), form(&again), "{spelt} {again}");
        let different = random.spell(&other);
        assert_eq!(
            one == other,
            form(&spelt) == form(&different),
            "{spelt} {different}"
        );
        equal += u32::from(one == other);
    }
    assert!((100..19_000).contains(&equal), "{equal}");
}
