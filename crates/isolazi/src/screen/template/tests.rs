//! What templates do. The outputs of the first two tables are those of Go 1.24's text/template with Docker's functions
//! (`docker info --format`, Docker 28.2.2).

use super::*;
use serde_json::json;

/// The outcome for a document without anything in it.
fn outcome(template: &str) -> Result<String, String> {
    let words = |error: Error| error.to_string().trim_start_matches("template parsing error: ").to_owned();
    Template::parse(template).and_then(|template| template.fill(&Value::Nil)).map_err(words)
}

#[test]
#[rustfmt::skip]
fn templates_give_what_go_gives() {
    for (template, text) in [
        ("a", "a"),
        ("{{1}}", "1"),
        (r#"{{ "a" }}{{`b\n`}}{{'c'}}"#, r#"ab\n99"#),
        (r#"{{"\x41\u00e9\t|\101\\\""}}"#, "Aé\t|A\\\""),
        ("{{0x1F}} {{0b11}} {{0o17}} {{1_000}} {{017}} {{-5}} {{+5}} {{1e3}} {{1.5}} {{1e20}} {{.5}}", "31 3 15 1000 15 -5 5 1000 1.5 1e+20 0.5"),
        ("a  {{- 3 -}}  b {{-3}} {{- /* c */ -}} d {{/* e */}} f", "a3b -3d  f"),
        (r#"{{if 1}}a{{end}}{{if 0}}b{{else}}c{{end}}{{if ""}}d{{else if 0.0}}e{{else if true}}f{{else}}g{{end}}"#, "acf"),
        (r#"{{with 3}}{{.}}{{end}}{{with ""}}x{{else}}y{{end}}{{with 0}}{{else with "z"}}{{.}}{{end}}"#, "3yz"),
        ("{{range 3}}{{.}},{{end}}{{range 0}}{{else}}none{{end}}{{range -1}}{{else}}none{{end}}", "0,1,2,nonenone"),
        (r#"{{range $i, $e := split "a,b" ","}}{{$i}}={{$e}};{{end}}"#, "0=a;1=b;"),
        (r#"{{range $e := split "a,b" ","}}{{$e}};{{end}}{{range split "a,b" ","}}{{.}}{{end}}"#, "a;b;ab"),
        ("{{range 5}}{{if eq . 1}}{{continue}}{{end}}{{if eq . 3}}{{break}}{{end}}{{.}}{{end}}", "02"),
        ("{{range 2}}{{range 3}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}}|{{end}}", "0|0|"),
        ("{{$x := 1}}{{$x = 2}}{{if true}}{{$x = 3}}{{$x := 4}}{{$x}}{{end}}{{$x}}", "43"),
        (r#"{{range $i, $_ := split "a,b" ","}}{{$x := $i}}{{$x}}{{end}}"#, "01"),
        (r#"{{1 | printf "%d-%d" 2}} {{"a" | upper | printf "%s%s" "b"}} {{("x" | upper)}} {{3|}}"#, "2-1 bA X 3"),
        (r#"{{print 1 2}}|{{print "a" 1 2 "b"}}|{{print 1.0 true nil}}|{{println "a" 1 "b"}}|"#, "1 2|a1 2b|1 true <nil>|a 1 b\n|"),
        (r#"{{len "héé"}} {{len (split "a,b" ",")}} {{index "abc" 1}} {{index (split "a,b" ",") 1}} {{index (split "a" ",")}}"#, "5 2 98 b [a]"),
        (r#"{{slice "abcdef" 1 3}} {{slice "abc" 1}} {{slice (split "a,b,c" ",") 1 2}} {{slice "abc"}} {{slice (split "a,b,c" ",") 0 1 2}}"#, "bc bc [b] abc [a]"),
        (r#"{{or 0 "" "x"}} {{and 1 0 2}} {{and 1 2}} {{or 0 ""}} {{0 | or ""}} {{3 | and 1}} {{not 0}} {{not "a"}} {{not nil}}"#, "x 0 2  0 3 true false true"),
        (r#"{{eq 1 1}} {{eq 1 2 1}} {{eq "a" "b"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt "b" "a"}} {{ge 1.5 2.5}} {{eq true false}} {{eq nil nil}}"#, "true true false true true true true false false true"),
        (r#"{{html "<a&\"'>"}} {{js "a'<b>=\"\\\n"}} {{urlquery "a b&c/é~"}} {{html 1 "a"}}"#, r#"&lt;a&amp;&#34;&#39;&gt; a\'\u003Cb\u003E\u003D\"\\\u000A a+b%26c%2F%C3%A9~ 1a"#),
        (r#"{{pad "a" 1 2}}|{{pad "" 3 3}}|{{truncate "abcdef" 3}}|{{truncate "ab" 3}}|{{title "hello wORLD-a b_c d'e éa"}}|{{lower "ÀB"}}{{upper "ß"}}"#, " a  ||abc|ab|Hello WORLD-A B_c D'E Éa|àbß"),
        (r#"{{split "a,b" ","}} {{join (split "a,b" ",") "-"}} {{split "abc" ""}} {{split "" ","}} {{join nil ","}}"#, "[a b] a-b [a b c] [] "),
        (r#"{{json "<&>\u0008\u2028\u0001\"\\"}} {{json 1}} {{json 1.5}} {{json 2.0}} {{json true}} {{json nil}} {{json (split "a,b" ",")}}"#, r#""<&>\b\u2028\u0001\"\\" 1 1.5 2 true null ["a","b"]"#),
        (r#"{{printf "%v %q %x %X %d %s %5s|%-5s|%t|%%" "a" "b\n" "hi" "hi" "no" 3 "é" "x" true}}"#, r#"a "b\n" 6869 6869 %!d(string=no) %!s(int=3)     é|x    |true|%"#),
        (r#"{{printf "%6.2f|%-6d|%+d|%x|%X|%o|%b|%c|%U|%e|%g|%08.3f|%#x|% d|%5t|%05d|%-05d|" 3.14159 3 3 255 255 8 5 65 65 1.5 1.5 3.14159 255 3 true -3 3}}"#, "  3.14|3     |+3|ff|FF|10|101|A|U+0041|1.500000e+00|1.5|0003.142|0xff| 3| true|-0003|3    |"),
        (r#"{{printf "%v %d %s %q" (split "a,b" ",") (split "a,b" ",") (split "a,b" ",") (split "a,b" ",")}}"#, r#"[a b] [%!d(string=a) %!d(string=b)] [a b] ["a" "b"]"#),
        (r#"{{printf "%*d|%-*d|%.2s|%.1q|%5.1s|%.*f" 5 3 5 3 "abc" "abc" "abc" 1 2.25}}"#, r#"    3|3    |ab|"a"|    a|2.2"#),
        (r#"{{printf "%[2]d %[1]d" 1 2}} {{printf "%d"}} {{printf "%d" 1 2}} {{printf "%"}} {{printf "%z" 3}} {{printf "%d" 1.5}} {{printf "%f" 1}} {{printf "%s" nil}} {{printf "%v" nil}}"#, "2 1 %!d(MISSING) 1%!(EXTRA int=2) %!(NOVERB) %!z(int=3) %!d(float64=1.5) %!f(int=1) %!s(<nil>) <nil>"),
        (r#"{{printf "%T %T %T" 1 "a" true}} {{printf "%s %d" true true}} {{printf "%t" 1}} {{printf "%s|%v" 1.5 1e6}} {{printf "%.3g %.0f %g" 1234.5 2.5 1e-7}} {{printf "%6.3d|%+.2e|%q" 7 12345.678 'x'}}"#, "int string bool %!s(bool=true) %!d(bool=true) %!t(int=1) %!s(float64=1.5)|1e+06 1.23e+03 2 1e-07    007|+1.23e+04|'x'"),
        (r#"{{printf "%x %X" -255 "é"}} {{printf "%010.2f|%+08d" -3.14159 42}} {{printf "%5c|%-5q|" 65 66}} {{printf "%08s|%-8s|" "ab" "cd"}} {{printf "%2d|%02d" 123 5}} {{printf "%#q %#v %#o" "a" "b" 8}}"#, r#"-ff C3A9 -000003.14|+0000042     A|'B'  | 000000ab|cd      | 123|05 `a` "b" 010"#),
        ("{{123456.0}} {{1234567.0}} {{0.0001}} {{0.00001}} {{100000.5}} {{1e21}}", "123456 1.234567e+06 0.0001 1e-05 100000.5 1e+21"),
        (r#"{{(split "a,b" ",") | len}} {{(print 1 2)}} {{print (print "a")}}"#, "2 1 2 a"),
        ("{{if and (gt 3 2) (lt 2 3)}}y{{end}}{{if or (eq 1 2) (not true)}}n{{end}}", "y"),
        ("{{or 1 (lower 3)}}", "1"),
    ] {
        assert_eq!(outcome(template).as_deref(), Ok(text), "{template}");
    }
}

#[test]
#[rustfmt::skip]
fn what_is_wrong_is_said_in_gos_words() {
    for (template, complaint) in [
        ("{{ /* no */ }}", r#": unexpected "/" in command"#),
        ("{{/* x }}", ": unclosed comment"),
        ("{{", ": unclosed action"),
        ("{{}}", ": missing value for command"),
        ("{{ . ", ": unclosed action"),
        (r#"{{"abc}}"#, ": unterminated quoted string"),
        ("{{`abc}}", ": unterminated raw quoted string"),
        ("{{'ab}}", ": unterminated character constant"),
        ("{{'ab'}}", ": malformed character constant: 'ab'"),
        ("{{3x}}", r#": bad number syntax: "3x""#),
        ("{{(3}}", ": unclosed left paren"),
        ("{{3)}}", ": unexpected right paren"),
        ("{{.a..b}}", ": unexpected <.> in operand"),
        ("{{1 | 2}}", ": non executable command in pipeline stage 2"),
        (r#"{{1 | printf "%d" | nil}}"#, ": non executable command in pipeline stage 3"),
        ("{{break}}", ": {{break}} outside {{range}}"),
        ("{{if}}x{{end}}", ": missing value for if"),
        ("{{if 1}}", ": unexpected EOF"),
        ("{{end}}", ": unexpected {{end}}"),
        ("{{else}}", ": unexpected {{else}}"),
        ("{{if 1}}a{{else}}b{{else}}c{{end}}", ": expected end; found {{else}}"),
        ("{{range}}{{end}}", ": missing value for range"),
        ("{{with $x := 3}}{{$x}}{{end}}{{$x}}", r#": undefined variable "$x""#),
        ("{{$y}}", r#": undefined variable "$y""#),
        ("{{foo}}", r#": function "foo" not defined"#),
        ("{{foo .}}", r#": function "foo" not defined"#),
        ("{{range $a, $b, $c := 3}}{{end}}", ": too many declarations in range"),
        ("{{$a, $b := 3}}", ": too many declarations in command"),
        (r#"{{"a".Foo}}"#, r#": unexpected . after term "\"a\"""#),
        ("{{nil.x}}", r#": unexpected . after term "nil""#),
        ("{{1.5.x}}", r#": unexpected . after term "1.5""#),
        ("{{,}}", r#": unexpected "," in command"#),
        ("{{|3}}", r#": unexpected "|" in command"#),
        ("{{()}}", ": missing value for parenthesized pipeline"),
        ("{{@}}", r#": unexpected "@" in command"#),
        (r#"{{"a" @}}"#, r#": unexpected "@" in operand"#),
        (r#"{{"a" ~}}"#, r#": unexpected "~" in operand"#),
        ("{{1e400}}", r#": illegal number syntax: "1e400""#),
        ("{{99999999999999999999}}", r#": integer overflow: "99999999999999999999""#),
        (r#"{{"\z"}}"#, ": invalid syntax"),
        (r#"{{"\3é"}}"#, ": invalid syntax"),
        (r#"{{"\u12é4"}}"#, ": invalid syntax"),
        ("{{if 1}}{{else range 3}}{{end}}", ": unexpected <range> in else"),
        ("{{end 3}}", r#": unexpected "3" in end"#),
        ("{{else 3}}", r#": unexpected "3" in else"#),
        ("{{.x=3}}", ": bad character U+003D '='"),
        ("{{a:b}}", r#": function "a" not defined"#),
        (r#"{{"a"b}}"#, r#": unexpected "b" in operand"#),
        (r#"{{.Foo"a"}}"#, r#": bad character U+0022 '"'"#),
        ("{{éa}}", r#": function "éa" not defined"#),
        ("{{x.y}}", r#": function "x" not defined"#),
        ("{{len.y}}", r#":2: executing "" at <len>: wrong number of args for len: want 1 got 0"#),
        ("{{if 1}}{{break}}{{end}}", ": {{break}} outside {{range}}"),
        (r#"{{"a b c d e f g" "h}}"#, ": unterminated quoted string"),
        (r#"{{print "abcdefghijklmnop"?}}"#, r#": unexpected "?" in operand"#),
        ("{{1 2}}", r#":2: executing "" at <1>: can't give argument to non-function 1"#),
        ("{{nil}}", r#":2: executing "" at <nil>: nil is not a command"#),
        ("{{lower 3}}", r#":8: executing "" at <3>: expected string; found 3"#),
        ("{{lower nil}}", r#":8: executing "" at <nil>: cannot assign nil to string"#),
        ("{{lower}}", r#":2: executing "" at <lower>: wrong number of args for lower: want 1 got 0"#),
        (r#"{{lower "a" "b"}}"#, r#":2: executing "" at <lower>: wrong number of args for lower: want 1 got 2"#),
        (r#"{{join "a" "b"}}"#, r#":7: executing "" at <"a">: can't handle "a" for arg of type []string"#),
        ("{{and}}", r#":2: executing "" at <and>: wrong number of args for and: want at least 1 got 0"#),
        ("{{printf 3}}", r#":9: executing "" at <3>: expected string; found 3"#),
        ("{{printf}}", r#":2: executing "" at <printf>: wrong number of args for printf: want at least 1 got 0"#),
        (r#"{{pad "a" "b" 1}}"#, r#":10: executing "" at <"b">: expected integer; found "b""#),
        (r#"{{truncate "abc" -1}}"#, r#":2: executing "" at <truncate "abc" -1>: error calling truncate: runtime error: slice bounds out of range [:-1]"#),
        (r#"{{index "abc" 9}}"#, r#":2: executing "" at <index "abc" 9>: error calling index: index out of range: 9"#),
        (r#"{{index (split "a" ",") "x"}}"#, r#":2: executing "" at <index (split "a" ",") "x">: error calling index: cannot index slice/array with type string"#),
        (r#"{{index (split "a" ",") 5}}"#, r#":2: executing "" at <index (split "a" ",") 5>: error calling index: index out of range: 5"#),
        ("{{index nil 1}}", r#":2: executing "" at <index nil 1>: error calling index: index of untyped nil"#),
        ("{{index 3 1}}", r#":2: executing "" at <index 3 1>: error calling index: can't index item of type int"#),
        (r#"{{slice "abc" 3 1}}"#, r#":2: executing "" at <slice "abc" 3 1>: error calling slice: invalid slice index: 3 > 1"#),
        (r#"{{slice "abc" 9}}"#, r#":2: executing "" at <slice "abc" 9>: error calling slice: index out of range: 9"#),
        ("{{slice nil}}", r#":2: executing "" at <slice nil>: error calling slice: slice of untyped nil"#),
        ("{{slice 3}}", r#":2: executing "" at <slice 3>: error calling slice: can't slice item of type int"#),
        (r#"{{slice "abc" 0 1 2}}"#, r#":2: executing "" at <slice "abc" 0 1 2>: error calling slice: cannot 3-index slice a string"#),
        (r#"{{eq 1 "a"}}"#, r#":2: executing "" at <eq 1 "a">: error calling eq: incompatible types for comparison"#),
        ("{{eq 1 1.0}}", r#":2: executing "" at <eq 1 1.0>: error calling eq: incompatible types for comparison"#),
        ("{{eq 1}}", r#":2: executing "" at <eq 1>: error calling eq: missing argument for comparison"#),
        ("{{lt true false}}", r#":2: executing "" at <lt true false>: error calling lt: invalid type for comparison"#),
        (r#"{{lt "a" 1}}"#, r#":2: executing "" at <lt "a" 1>: error calling lt: incompatible types for comparison"#),
        ("{{len 3}}", r#":2: executing "" at <len 3>: error calling len: len of type int"#),
        ("{{range 1.5}}{{end}}", r#":8: executing "" at <1.5>: range can't iterate over 1.5"#),
        (r#"{{range "abc"}}{{end}}"#, r#":8: executing "" at <"abc">: range can't iterate over abc"#),
        ("{{if not 3 4}}{{end}}", r#":5: executing "" at <not>: wrong number of args for not: want 1 got 2"#),
        (r#"{{"a" | "b"}}"#, ": non executable command in pipeline stage 2"),
        ("{{3 | lower}}", r#":6: executing "" at <lower>: wrong type for value; expected string; got int"#),
        ("{{print (lower 3)}}", r#":15: executing "" at <3>: expected string; found 3"#),
        ("{{and 1 (lower 3)}}", r#":15: executing "" at <3>: expected string; found 3"#),
    ] {
        assert_eq!(outcome(template), Err(format!("template: :1{complaint}")), "{template}");
    }
}

/// Stands for a document as commands have them.
fn container() -> Value {
    #[derive(serde::Serialize)]
    struct Container {
        #[serde(rename = "Id")]
        id: &'static str,
        #[serde(rename = "State")]
        state: State,
        #[serde(rename = "Labels")]
        labels: BTreeMap<&'static str, &'static str>,
        #[serde(rename = "Args")]
        args: Vec<&'static str>,
        #[serde(rename = "CapAdd")]
        cap_add: api::inspect::NullList<String>,
        #[serde(rename = "Volumes")]
        volumes: api::inspect::NullMap<String>,
        #[serde(rename = "PidsLimit")]
        pids_limit: Option<i64>,
        #[serde(rename = "Ports")]
        ports: serde_json::Value,
    }
    #[derive(serde::Serialize)]
    struct State {
        #[serde(rename = "Running")]
        running: bool,
        #[serde(rename = "Health", skip_serializing_if = "Option::is_none")]
        health: Option<bool>,
    }
    of(&Container {
        id: "ab12",
        state: State { running: true, health: None },
        labels: BTreeMap::from([("com.x.y", "1"), ("b", "two")]),
        args: vec!["-c", "x"],
        cap_add: api::inspect::NullList::default(),
        volumes: api::inspect::NullMap::default(),
        pids_limit: None,
        ports: json!({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": null}),
    })
}

#[test]
#[rustfmt::skip]
fn documents_are_seen_as_docker_shows_them() {
    let filled = |template: &str| {
        Template::parse(template).and_then(|t| t.fill(&container())).map_err(|error| error.to_string())
    };
    for (template, text) in [
        ("{{.Id}} {{.ID}} {{$.Id}}", "ab12 ab12 ab12"),
        ("{{.State.Running}}{{with .State}} {{.Running}} {{$.Id}}{{end}}", "true true ab12"),
        ("{{.State}}", "{true}"),
        ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
        (r#"{{.Labels.b}} {{index .Labels "com.x.y"}} {{.Labels.c}} {{index .Labels "c"}}|"#, "two 1 <no value> |"),
        ("{{.Labels}} {{.Args}} {{.CapAdd}} {{.Volumes}} {{.PidsLimit}}", "map[b:two com.x.y:1] [-c x] [] map[] <nil>"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "b=two com.x.y=1 "),
        (r#"{{join .Args ","}} {{len .CapAdd}}{{range .CapAdd}}x{{else}}no{{end}}"#, "-c,x 0no"),
        (r#"{{range $p, $b := .Ports}}{{$p}}{{if $b}}={{(index $b 0).HostPort}}{{end}} {{end}}"#, "443/tcp 80/tcp=8080 "),
        (r#"{{(index (index .Ports "80/tcp") 0).HostPort}}"#, "8080"),
        (r#"{{with index .Ports "80/tcp"}}{{(index . 0).HostIp}}{{end}}"#, "0.0.0.0"),
        ("{{json .State}} {{json .CapAdd}} {{json .PidsLimit}} {{json .Labels}}", r#"{"Running":true} null null {"b":"two","com.x.y":"1"}"#),
        ("{{eq .PidsLimit nil}} {{not .Volumes}}", "true true"),
    ] {
        assert_eq!(filled(template).as_deref(), Ok(text), "{template}");
    }
    assert_eq!(
        filled("json").unwrap(),
        r#"{"Id":"ab12","State":{"Running":true},"Labels":{"b":"two","com.x.y":"1"},"Args":["-c","x"],"CapAdd":null,"Volumes":null,"PidsLimit":null,"Ports":{"443/tcp":null,"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}}"#
    );
    for (template, complaint) in [
        ("{{.id}}", r#":2: executing "" at <.id>: map has no entry for key "id""#),
        ("{{.State.Health.Status}}", r#":8: executing "" at <.State.Health.Status>: map has no entry for key "Health""#),
        ("{{.Id.x}}", r#":5: executing "" at <.Id.x>: can't evaluate field x in type string"#),
        ("{{.Id 3}}", r#":2: executing "" at <.Id>: Id has arguments but cannot be invoked as function"#),
        ("{{upper .State}}", r#":8: executing "" at <.State>: wrong type for value; expected string; got State"#),
        (r#"{{(index (index .Ports "443/tcp") 0).x}}"#, r#":3: executing "" at <index (index .Ports "443/tcp") 0>: error calling index: index of untyped nil"#),
    ] {
        assert_eq!(filled(template), Err(format!("template parsing error: template: :1{complaint}")), "{template}");
    }
}

const HEADINGS: &[(&str, &str)] = &[("ID", "CONTAINER ID"), ("Labels", "LABELS"), ("Names", "NAMES")];

fn rows() -> Vec<Row> {
    let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("x.b-c".to_owned(), "2,c=3".to_owned())]);
    let row = |id: &str, name: &str| Row {
        fields: vec![("Names", name.into()), ("ID", id.into()), ("Labels", "a=1,x.b-c=2,c=3".into())],
        labels: labels.clone(),
    };
    vec![row("ab", "web"), row("cd", "db")]
}

#[test]
fn lists_have_a_line_for_each_row() {
    for (format, text) in [
        ("{{.Names}}", "web\ndb\n"),
        ("{{ .ID }}\\t{{upper .Names}}", "ab\tWEB\ncd\tDB\n"),
        (r#"{{.ID}}\n{{printf "%s\t%q" .ID "\\n"}}"#, "ab\nab\t\"\\\\n\"\ncd\ncd\t\"\\\\n\"\n"),
        ("table{{.ID}}\\t{{.Names}}", "CONTAINER ID   NAMES\nab             web\ncd             db\n"),
        ("table {{.ID}}\\t{{.Names}}", "CONTAINER ID   NAMES\nab             web\ncd             db\n"),
        (
            r#"table {{lower .ID}}\t{{join (split .Names "e") "E"}}\t{{.Label "x.b-c"}}"#,
            "CONTAINER ID   NAMES     b c\nab             wEb       2,c=3\ncd             db        2,c=3\n",
        ),
        (
            "json",
            "{\"ID\":\"ab\",\"Labels\":\"a=1,x.b-c=2,c=3\",\"Names\":\"web\"}\n\
             {\"ID\":\"cd\",\"Labels\":\"a=1,x.b-c=2,c=3\",\"Names\":\"db\"}\n",
        ),
        ("{{json .Names}}", "\"web\"\n\"db\"\n"),
        (r#"{{.Label "a"}}{{.Label "c"}}{{"a" | .Label}}"#, "11\n11\n"),
        (r#"{{if eq .Names "db"}}{{.ID}}{{else}}-{{end}}"#, "-\ncd\n"),
        ("x", "x\nx\n"),
        ("{{with .ID}}{{.}}{{$.Names}}{{end}}", "abweb\ncddb\n"),
    ] {
        assert_eq!(Format::parse(format).unwrap().render(&rows(), HEADINGS).unwrap(), text, "{format}");
    }
    assert_eq!(Format::parse("table {{.ID}}").unwrap().render(&[], HEADINGS).unwrap(), "CONTAINER ID\n");
}

#[test]
fn an_unknown_field_is_told_even_of_an_empty_list() {
    for (format, complaint) in [
        ("{{.Nmaes}}", ":2: executing \"\" at <.Nmaes>: can't evaluate field Nmaes in type row"),
        ("{{if false}}{{.X}}{{end}}", ":14: executing \"\" at <.X>: can't evaluate field X in type row"),
        ("{{with .ID}}{{$.X.Y}}{{end}}", ":15: executing \"\" at <$.X.Y>: can't evaluate field X in type row"),
        ("{{len (print .X)}}", ":13: executing \"\" at <.X>: can't evaluate field X in type row"),
    ] {
        let error = Format::parse(format).and_then(|f| f.render(&[], HEADINGS)).unwrap_err();
        assert_eq!(error.to_string(), format!("template parsing error: template: :1{complaint}"));
        assert_eq!(error.hints, ["the fields are ID, Labels, Names"]);
    }
    for (format, complaint) in [
        ("{{.Names.First}}", ":8: executing \"\" at <.Names.First>: can't evaluate field First in type string"),
        ("{{.Label}}", ":2: executing \"\" at <.Label>: wrong number of args for Label: want 1 got 0"),
        ("{{.Label 3}}", ":9: executing \"\" at <3>: expected string; found 3"),
        ("{{range .Names}}{{end}}", ":8: executing \"\" at <.Names>: range can't iterate over web"),
    ] {
        let error = Format::parse(format).and_then(|f| f.render(&rows(), HEADINGS)).unwrap_err();
        assert_eq!(error.to_string(), format!("template parsing error: template: :1{complaint}"));
    }
}

#[test]
fn a_template_has_limits() {
    let complaint = |template: &str| outcome(template).unwrap_err();
    let deep = |levels| format!("{}1{}", "{{if 1}}".repeat(levels), "{{end}}".repeat(levels));
    assert_eq!(outcome(&deep(100)).unwrap(), "1");
    assert_eq!(complaint(&deep(101)), "template: :1: more than 100 levels deep");
    let parens = |levels| format!("{{{{{}1{}}}}}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(outcome(&parens(100)).unwrap(), "1");
    assert_eq!(complaint(&parens(30_000)), "template: :1: more than 100 levels deep");
    let otherwise = |levels| format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(levels));
    assert_eq!(complaint(&otherwise(101)), "template: :1: more than 100 levels deep");
    assert_eq!(complaint(&"x".repeat(70_000)), "template: : longer than 64 KiB");
    assert_eq!(complaint("{{range 9223372036854775807}}{{end}}"), "template: : more than 2000000 steps");
    assert_eq!(complaint("{{range 2000}}{{range 2000}}{{end}}{{end}}"), "template: : more than 2000000 steps");
    let filling = r#"{{$x := printf "%999999d" 1}}{{range 99}}{{$x}}{{end}}"#;
    assert_eq!(complaint(filling), "template: : more than 64 MiB of output");
    for template in [
        r#"{{pad "a" 9999999999 0}}"#,
        r#"{{$x := "aaaa"}}{{range 99}}{{$x = print $x $x}}{{end}}"#,
        r#"{{$x := "aaaa"}}{{range 99}}{{$x = printf "%s%s" $x $x}}{{end}}"#,
    ] {
        let complaint = complaint(template);
        assert!(complaint.ends_with("a text of more than 4 MiB"), "{complaint}");
    }
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    /// Pieces that a template is made of, so that many of their rows mean something.
    const PIECES: [&str; 50] = [
        "{{",
        "}}",
        "{{- ",
        " -}}",
        "{{if ",
        "{{else}}",
        "{{else if ",
        "{{end}}",
        "{{range ",
        "{{with ",
        "{{break}}",
        "{{continue}}",
        "$x",
        "$",
        ":=",
        "=",
        "|",
        "(",
        ")",
        ".",
        ".Id",
        ".Labels",
        ".State.Health",
        "index ",
        "printf ",
        "\"%d%s%v\"",
        "\"é\"",
        "`r`",
        "'a'",
        "1",
        "-0x1f",
        "1.5e3",
        "nil",
        "true",
        "slice ",
        "eq ",
        "and ",
        "json ",
        " ",
        ",",
        "split \"a,b\" \",\"",
        "len ",
        "/*",
        "*/",
        "\\",
        "\"\\3é",
        "\\u12",
        "'",
        "\"",
        "$é",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_is_too_strange(text in "\\PC*", pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24)) {
            for template in [format!("{{{{{text}}}}}"), pieces.concat(), format!("{{{{{}}}}}", pieces.concat())] {
                let _ = Template::parse(&template).and_then(|template| template.fill(&container()));
                let _ = Format::parse(&template).and_then(|format| format.render(&rows(), HEADINGS));
            }
        }

        #[test]
        fn no_format_is_too_strange(format in "[-+# 0-9.*\\[\\]%a-zA-Zé]{0,12}", number in any::<i64>(), float in any::<f64>()) {
            let operands = [Value::Int(number), Value::Float(float), "é\n".into(), Value::Nil, container()];
            let _ = printf::printf(&format!("%{format}"), &operands, 1 << 20);
        }
    }
}
