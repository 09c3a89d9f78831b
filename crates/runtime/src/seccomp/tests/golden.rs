//! Programs as text, so that a change of the generated code can be read in a review.

use super::machine::disassemble;
use super::*;

fn text(section: &str, arch: Arch) -> String {
    disassemble(&compile(&serde_json::from_str(section).unwrap(), arch).unwrap())
}

#[test]
fn an_allow_list_answers_eperm_to_old_calls_and_enosys_to_new_ones() {
    let section = r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],
        "syscalls":[{"names":["read","write","close","exit_group","close_range"],"action":"SCMP_ACT_ALLOW"}]}"#;
    let expected = "\
\x20 0  load arch
  1  if == 0xc000003e goto 3 else 2
  2  if == 0x40000003 goto 12 else 11
  3  load number
  4  if >= 0x1b5 goto 9 else 5
  5  if >= 0x4 goto 7 else 6
  6  if == 0x2 goto 18 else 20
  7  if >= 0x1b4 goto 20 else 8
  8  if == 0xe7 goto 20 else 18
  9  if >= 0x40000000 goto 10 else 21
 10  if >= 0xffffffff goto 21 else 11
 11  return 0x80000000
 12  load number
 13  if >= 0x7 goto 16 else 14
 14  if >= 0x3 goto 15 else 18
 15  if == 0x5 goto 18 else 20
 16  if >= 0x1b4 goto 19 else 17
 17  if == 0xfc goto 20 else 18
 18  return 0x50001
 19  if >= 0x1b5 goto 21 else 20
 20  return 0x7fff0000
 21  return 0x50026
";
    assert_eq!(text(section, Arch::X86_64), expected);
}

#[test]
fn abis_share_conditions_and_narrow_ones_look_at_one_word() {
    let section = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X32","SCMP_ARCH_X86"],"syscalls":[
        {"names":["socket"],"action":"SCMP_ACT_ERRNO","errnoRet":97,"args":[
            {"index":0,"value":2,"op":"SCMP_CMP_NE"},{"index":1,"value":3,"op":"SCMP_CMP_EQ"}]}]}"#;
    let expected = "\
\x20 0  load arch
  1  if == 0xc000003e goto 4 else 2
  2  if == 0x40000003 goto 15 else 3
  3  return 0x80000000
  4  load number
  5  if == 0x29 goto 7 else 6
  6  if == 0x40000029 goto 7 else 21
  7  load arg0[4..8]
  8  if == 0x0 goto 9 else 11
  9  load arg0[0..4]
 10  if == 0x2 goto 21 else 11
 11  load arg1[4..8]
 12  if == 0x0 goto 13 else 21
 13  load arg1[0..4]
 14  if == 0x3 goto 22 else 21
 15  load number
 16  if == 0x167 goto 17 else 21
 17  load arg0[0..4]
 18  if == 0x2 goto 21 else 19
 19  load arg1[0..4]
 20  if == 0x3 goto 22 else 21
 21  return 0x7fff0000
 22  return 0x50061
";
    assert_eq!(text(section, Arch::X86_64), expected);
}

#[test]
fn big_endian_machines_have_the_upper_word_first() {
    let section = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["clone"],"action":"SCMP_ACT_KILL_PROCESS","args":[
            {"index":1,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]},
        {"names":["lseek"],"action":"SCMP_ACT_TRAP","args":[{"index":1,"value":4294967298,"op":"SCMP_CMP_GT"}]}]}"#;
    let expected = "\
\x20 0  load arch
  1  if == 0x80000016 goto 2 else 8
  2  load number
  3  if == 0x13 goto 9 else 4
  4  if == 0x78 goto 5 else 14
  5  load arg1[4..8]
  6  and 0x7e020000
  7  if == 0x0 goto 8 else 14
  8  return 0x80000000
  9  load arg1[0..4]
 10  if > 0x1 goto 15 else 11
 11  if == 0x1 goto 12 else 14
 12  load arg1[4..8]
 13  if > 0x2 goto 15 else 14
 14  return 0x7fff0000
 15  return 0x30000
";
    assert_eq!(text(section, Arch::S390x), expected);
}
