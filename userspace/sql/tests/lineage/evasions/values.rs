//! What is selected: the column, a cast of it, its pieces, another form.

use crate::words::check;

#[test]
fn columns_read_directly() {
    check(&[
        // direct-returning
        (r#"UPDATE payments SET amount = amount RETURNING pan"#, r#"pan <- payments.pan; quotes"#),
        // direct-insert-returning
        (
            r#"INSERT INTO payments(id,pan) SELECT id+100, pan||'0' FROM payments RETURNING left(pan,-1)"#,
            r#"left <- payments.pan lossy; payments.pan gets payments.pan injective; quotes"#,
        ),
        // direct-full-join-coalesce
        (
            r#"SELECT pan FROM payments FULL JOIN card_events USING (pan) LIMIT 2"#,
            r#"pan <- payments.pan verbatim, card_events.pan verbatim; join payments.pan; join card_events.pan"#,
        ),
    ]);
}

#[test]
fn casts() {
    check(&[
        // cast-to-char-spaces
        (
            r#"SELECT to_char(pan_int,'FM9999 9999 9999 9999 999') FROM payments"#,
            r#"to_char <- payments.pan_int verbatim"#,
        ),
        // cast-to-char-letters
        (
            r#"SELECT to_char(pan_int,'FM9"a"9"b"9"c"9"d"9"e"9"f"9"g"9"h"9"i"9"j"9"k"9"l"9"m"9"n"9"o"9') FROM payments WHERE id=1"#,
            r#"to_char <- payments.pan_int injective; quotes"#,
        ),
        // cast-numeric-sci
        (
            r#"SELECT to_char(pan_num,'9.5EEEE') FROM payments WHERE id=1"#,
            r#"to_char <- payments.pan_num injective; quotes"#,
        ),
        // cast-money
        (
            r#"SELECT (pan_int::numeric/100)::money FROM payments WHERE id=1"#,
            r#"money <- payments.pan_int lossy; quotes"#,
        ),
        // cast-interval
        (
            r#"SELECT make_interval(secs => (pan_int/1000000)) , pan_int % 1000000 FROM payments WHERE id=1"#,
            r#"make_interval <- payments.pan_int lossy; ?column? <- payments.pan_int lossy; quotes"#,
        ),
        // cast-timestamp
        (
            r#"SELECT to_timestamp(pan_int/100000.0) FROM payments WHERE id=2"#,
            r#"to_timestamp <- payments.pan_int lossy; quotes"#,
        ),
        // cast-rpad-suffix
        (r#"SELECT pan || '99999' FROM payments WHERE id=1"#, r#"?column? <- payments.pan injective; quotes"#),
        // cast-letter-prefix
        (r#"SELECT 'x' || pan || 'y' FROM payments WHERE id=1"#, r#"?column? <- payments.pan injective; quotes"#),
        // cast-encode-hex
        (r#"SELECT encode(raw,'hex') FROM payments WHERE id=1"#, r#"encode <- payments.raw lossy; quotes"#),
        // cast-encode-base64
        (
            r#"SELECT encode(convert_to(pan,'UTF8'),'base64') FROM payments WHERE id=1"#,
            r#"encode <- payments.pan lossy; quotes"#,
        ),
        // cast-to-hex
        (r#"SELECT to_hex(pan_int) FROM payments WHERE id=1"#, r#"to_hex <- payments.pan_int lossy; quotes"#),
        // cast-md5
        (r#"SELECT md5(pan) FROM payments WHERE id=1"#, r#"md5 <- payments.pan lossy; quotes"#),
        // cast-hashtext
        (
            r#"SELECT hashtextextended(pan,0), hash_numeric(pan_num) FROM payments WHERE id=1"#,
            r#"hashtextextended <- payments.pan lossy; hash_numeric <- payments.pan_num lossy; quotes"#,
        ),
        // cast-xml
        (
            r#"SELECT xmlelement(name p, xmlattributes(pan as v)) FROM payments WHERE id=1"#,
            r#"xmlelement <- payments.pan verbatim"#,
        ),
        // cast-xml-entities
        (
            r#"SELECT string_agg('&#'||ascii(ch)||';','' ORDER BY n) FROM (SELECT ch, n FROM payments, string_to_table(pan,NULL) WITH ORDINALITY AS t(ch,n) WHERE id=1) s"#,
            r#"string_agg <- payments.pan lossy; other payments.pan; other payments.pan; quotes"#,
        ),
        // cast-uuid
        (r#"SELECT lpad(pan,32,'0')::uuid FROM payments WHERE id=1"#, r#"lpad <- payments.pan lossy; quotes"#),
        // cast-macaddr8
        (r#"SELECT pan::macaddr8 FROM payments WHERE id=1"#, r#"pan <- payments.pan lossy; quotes"#),
        // cast-point
        (
            r#"SELECT point(pan_int/100000000, pan_int%100000000) FROM payments WHERE id=1"#,
            r#"point <- payments.pan_int lossy; quotes"#,
        ),
        // cast-range
        (
            r#"SELECT int8range(pan_int, pan_int+1) FROM payments WHERE id=1"#,
            r#"int8range <- payments.pan_int verbatim; quotes"#,
        ),
        // cast-tsvector
        (r#"SELECT to_tsvector('simple', pan) FROM payments WHERE id=1"#, r#"to_tsvector <- payments.pan verbatim"#),
        // cast-jsonpath
        (
            r#"SELECT jsonb_path_query(meta,'$.card.pan') FROM payments WHERE id=1"#,
            r#"jsonb_path_query <- payments.meta verbatim"#,
        ),
    ]);
}

#[test]
fn pieces() {
    check(&[
        // split-substr-halves
        (
            r#"SELECT substr(pan,1,8), substr(pan,9) FROM payments"#,
            r#"substr <- payments.pan lossy; substr <- payments.pan lossy; quotes"#,
        ),
        // split-left-right
        (
            r#"SELECT left(pan,6), right(pan,4) FROM payments"#,
            r#"left <- payments.pan lossy; right <- payments.pan lossy; quotes"#,
        ),
        // split-middle
        (r#"SELECT substr(pan,7,6) FROM payments"#, r#"substr <- payments.pan lossy; quotes"#),
        // split-string-to-table
        (
            r#"SELECT string_to_table(pan,NULL) FROM payments WHERE id=1"#,
            r#"string_to_table <- payments.pan lossy; quotes"#,
        ),
        // split-unnest-chars
        (
            r#"SELECT unnest(string_to_array(pan,NULL)) FROM payments WHERE id=1"#,
            r#"unnest <- payments.pan lossy; quotes"#,
        ),
        // split-generate-series
        (
            r#"SELECT g, substr(pan,g,1) FROM payments, generate_series(1,19) g WHERE id=1"#,
            r#"substr <- payments.pan lossy; quotes"#,
        ),
        // split-overlay
        (
            r#"SELECT overlay(pan placing '' from 8 for 1), substr(pan,8,1) FROM payments WHERE id=1"#,
            r#"overlay <- payments.pan lossy; substr <- payments.pan lossy; quotes"#,
        ),
        // split-overlay-letters
        (
            r#"SELECT overlay(overlay(pan placing 'ab' from 5 for 0) placing 'cd' from 11 for 0) FROM payments WHERE id=1"#,
            r#"overlay <- payments.pan lossy; quotes"#,
        ),
        // split-get-byte
        (
            r#"SELECT g, get_byte(raw,g) FROM payments, generate_series(0,15) g WHERE id=1"#,
            r#"get_byte <- payments.raw lossy; quotes"#,
        ),
        // split-pivot-columns
        (
            r#"SELECT substr(pan,1,4) a, substr(pan,5,4) b, substr(pan,9,4) c, substr(pan,13) d FROM payments WHERE id=1"#,
            r#"a <- payments.pan lossy; b <- payments.pan lossy; c <- payments.pan lossy; d <- payments.pan lossy; quotes"#,
        ),
        // split-positions
        (
            r#"SELECT position(d::text in pan), d FROM payments, generate_series(0,9) d WHERE id=3"#,
            r#"position <- payments.pan lossy; quotes"#,
        ),
        // split-length-oracle
        (
            r#"SELECT d, length(pan)-length(replace(pan,d::text,'')) FROM payments, generate_series(0,9) d WHERE id=2"#,
            r#"?column? <- payments.pan lossy; quotes"#,
        ),
    ]);
}

#[test]
fn transformations() {
    check(&[
        // tr-reverse
        (r#"SELECT reverse(pan) FROM payments"#, r#"reverse <- payments.pan lossy; quotes"#),
        // tr-translate-letters
        (
            r#"SELECT translate(pan,'0123456789','abcdefghij') FROM payments"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-translate-rotate
        (
            r#"SELECT translate(pan,'0123456789','1234567890') FROM payments"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-xor
        (r#"SELECT pan_int # 5 FROM payments WHERE id=1"#, r#"?column? <- payments.pan_int injective; quotes"#),
        // tr-sqrt
        (r#"SELECT sqrt(pan_num) FROM payments WHERE id=1"#, r#"sqrt <- payments.pan_num lossy; quotes"#),
        // tr-fullwidth
        (
            r#"SELECT translate(pan,'0123456789','０１２３４５６７８９') FROM payments WHERE id=1"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-arabic-indic
        (
            r#"SELECT translate(pan,'0123456789','٠١٢٣٤٥٦٧٨٩') FROM payments WHERE id=1"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-math-digits
        (
            r#"SELECT translate(pan,'0123456789','𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗') FROM payments WHERE id=1"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-difference
        (
            r#"SELECT pan_int - lag(pan_int,1,0::bigint) OVER (ORDER BY id) FROM payments"#,
            r#"?column? <- payments.pan_int injective; quotes"#,
        ),
        // tr-repeat
        (r#"SELECT repeat(pan,3) FROM payments WHERE id=1"#, r#"repeat <- payments.pan lossy; quotes"#),
        // tr-quote-literal
        (
            r#"SELECT quote_literal(pan), quote_ident(pan) FROM payments WHERE id=1"#,
            r#"quote_literal <- payments.pan verbatim; quote_ident <- payments.pan verbatim"#,
        ),
    ]);
}
