//! Compiles `iin.csv` into two tables: first four digits -> one bit per length (bit 0 = 12 digits, bit 7 = 19).

use std::{env, error::Error, fs, path::Path};

type Heads = [u8; 10_000];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=iin.csv");
    let (mut balanced, mut strict): (Heads, Heads) = ([0; 10_000], [0; 10_000]);
    for (number, line) in fs::read_to_string("iin.csv")?.lines().enumerate() {
        if line.starts_with('#') || line.starts_with("brand,") || line.is_empty() {
            continue;
        }
        add_row(line, &mut balanced, &mut strict).map_err(|error| format!("iin.csv:{}: {error}", number + 1))?;
    }
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("balanced.bin"), balanced)?;
    fs::write(Path::new(&out).join("strict.bin"), strict)?;
    Ok(())
}

fn add_row(line: &str, balanced: &mut Heads, strict: &mut Heads) -> Result<(), Box<dyn Error>> {
    let fields: Vec<&str> = line.splitn(8, ',').collect();
    let [_brand, from, to, lengths, mode, _source, _date, _note] = fields[..] else {
        return Err("a row has eight fields".into());
    };
    if from.len() != to.len() || from.is_empty() || from.len() > 4 {
        return Err("from and to are prefixes of the same one to four digits".into());
    }
    let scale = 10_usize.pow(4 - u32::try_from(from.len())?);
    let (first, end) = (from.parse::<usize>()? * scale, (to.parse::<usize>()? + 1) * scale);
    let mut bits = 0;
    for length in lengths.split(' ') {
        match length.parse::<u8>()? {
            length @ 12..=19 => bits |= 1 << (length - 12),
            _ => return Err("a length is 12 to 19".into()),
        }
    }
    for head in first..end {
        strict[head] |= bits;
        match mode {
            "balanced" => balanced[head] |= bits,
            "strict" => {}
            _ => return Err("mode is balanced or strict".into()),
        }
    }
    Ok(())
}
