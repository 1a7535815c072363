import { describe, expect, test } from 'vitest'
import type { CsvSettings } from './csv-input.ts'
import { startSelection } from './input.ts'
import type { Scan } from './lines.ts'
import { csvWriter, jsonWriter } from './output.ts'
import { parseQuery } from './parser.ts'
import type { TextFormat } from './settings.ts'

// Expressions and what they give, as the SQL reference for Amazon S3 Select has it where it says so.

const now = new Date('2026-11-23T09:00:00.123Z')
const csvSettings: CsvSettings = {
  fieldDelimiter: ',',
  recordDelimiter: '\n',
  quote: '"',
  quoteEscape: '"',
  comment: '#',
  quotedRecordDelimiters: false,
}
const csv = (header: 'USE' | 'IGNORE' | 'NONE' = 'USE', changes: Partial<CsvSettings> = {}): TextFormat => ({
  kind: 'csv',
  header,
  csv: { ...csvSettings, ...changes },
})
const lines: TextFormat = { kind: 'json', type: 'LINES' }
const document: TextFormat = { kind: 'json', type: 'DOCUMENT' }
const asJson = jsonWriter('\n')
const asCsv = csvWriter({ fieldDelimiter: ',', recordDelimiter: '\n', quote: '"', quoteEscape: '"', quoteAll: false })

/** All results, or the error's code. The bytes come in pieces of `size`. */
const run = (
  expression: string,
  format: TextFormat,
  input: string | Buffer,
  { write = asJson, size = 7, scan = undefined as Scan | undefined } = {},
): string => {
  try {
    const selection = startSelection(parseQuery(expression), format, now, scan)
    const bytes = Buffer.from(input)
    const out: string[] = []
    const take = (results: Iterable<ReturnType<typeof selection.last>>) => {
      for (const result of results) if (result) out.push(write(result))
    }
    for (let at = 0; at < bytes.length && !selection.isOver(); at += size)
      take(selection.push(bytes.subarray(at, at + size)))
    if (!selection.isOver()) take(selection.finish())
    take([selection.last()])
    return out.join('').trimEnd()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code)
    throw error
  }
}

/** What an expression comes to, as JSON; `nothing` where it is missing. */
const resultOf = (expression: string, row = '{"a":1}'): string => {
  const found = run(`SELECT ${expression} AS v FROM S3Object s`, lines, row)
  if (found === '{}') return 'nothing'
  return /^\{"v":(.*)\}$/s.exec(found)?.[1] ?? found
}

describe('expressions', () => {
  test.each([
    // Literals and arithmetic.
    ['1', '1'],
    ["'it''s'", '"it\'s"'],
    ['1.50', '1.50'],
    ['.5', '0.5'],
    ['1e2', '100'],
    ['TRUE', 'true'],
    ['null', 'null'],
    ['missing', 'nothing'],
    ['-5 + 2', '-3'],
    ['- -5', '5'],
    ['2 + 3 * 4 - 1', '13'],
    ['(2 + 3) * 4', '20'],
    ['7 / 2', '3'],
    ['-7 / 2', '-3'],
    ['7 % 3', '1'],
    ['7.0 / 2', '3.5'],
    ['1.0 / 3', '0.33333333333333333333333333333333333333'],
    ['0.1 + 0.2', '0.3'],
    ['CAST(0.1 AS FLOAT) + CAST(0.2 AS FLOAT)', '0.30000000000000004'],
    ['1.5 % 1', '0.5'],
    ['9223372036854775807', '9223372036854775807'],
    ['9223372036854775807 + 1', 'IntegerOverflow'],
    ['9223372036854775808', 'NumberFormatError'],
    ['1 / 0', 'ExternalEvalException'],
    ['1.0 % 0', 'ExternalEvalException'],
    ["1 + 'a'", 'ExternalEvalException'],
    ['1 + null', 'null'],
    ['1 + missing', 'nothing'],
    ["'a' || 'b' || 'c'", '"abc"'],
    ["'a' || null", 'null'],
    ['[1, 2][1]', '2'],
    // Comparison and logic.
    ['1 = 1.0', 'true'],
    ["1 = '1'", 'false'],
    ["1 <> '1'", 'true'],
    ['1 != 2', 'true'],
    ["'a' < 'b'", 'true'],
    ["'10' < '9'", 'true'],
    ["'5' > 4", 'ExternalEvalException'],
    ['true > false', 'true'],
    ['null = null', 'null'],
    ['missing = 1', 'nothing'],
    ['1 = 1 AND null = 1', 'null'],
    ['1 = 2 AND null = 1', 'false'],
    ['1 = 1 OR null = 1', 'true'],
    ['1 = 2 OR null = 1', 'null'],
    ['NOT 1 = 2', 'true'],
    ['NOT (1 = 1 AND 2 = 2)', 'false'],
    ['1 = 1 AND 1 = 2 OR 1 = 1', 'true'],
    ["'a' AND true", 'ExternalEvalException'],
    ['5 BETWEEN 1 AND 5', 'true'],
    ['5 NOT BETWEEN 1 AND 5', 'false'],
    ['5 BETWEEN null AND 3', 'false'],
    ['2 IN (1, 2, 3)', 'true'],
    ['2 IN (1.0, 2.0)', 'true'],
    ["'b' IN ('a', 'b')", 'true'],
    ["'d' NOT IN ('a', 'b')", 'true'],
    ['2 IN (1, null)', 'null'],
    ['null IN (1, null)', 'null'],
    ['null IS NULL', 'true'],
    ['missing IS NULL', 'true'],
    ['null IS MISSING', 'false'],
    ['s.b IS MISSING', 'true'],
    ['s.a IS NOT MISSING', 'true'],
    ['1 IS NOT NULL', 'true'],
    // LIKE.
    ["'New York' LIKE 'New%'", 'true'],
    ["'New York' LIKE '%York'", 'true'],
    ["'New York' LIKE '%w Y%'", 'true'],
    ["'New York' LIKE 'new%'", 'false'],
    ["'abc' LIKE 'a_c'", 'true'],
    ["'abc' LIKE '_'", 'false'],
    ["'abc' NOT LIKE '%z%'", 'true'],
    ["'a😀c' LIKE 'a_c'", 'true'],
    ["'' LIKE '%'", 'true'],
    ["'aXbXc' LIKE 'a%b%c'", 'true'],
    ["'aba' LIKE 'ab%ba'", 'false'],
    ["'xaybzb' LIKE '%a_b%_b'", 'true'],
    ["'50%' LIKE '50\\%' ESCAPE '\\'", 'true'],
    ["'50x' LIKE '50\\%' ESCAPE '\\'", 'false'],
    ["'a_b' LIKE 'a!_b' ESCAPE '!'", 'true'],
    ["'ab' LIKE 'a!b' ESCAPE '!'", 'EvaluatorLikePatternInvalidEscapeSequence'],
    ["'ab' LIKE 'a!' ESCAPE '!'", 'EvaluatorLikePatternInvalidEscapeSequence'],
    ["'ab' LIKE 'a' ESCAPE '!!'", 'LikeInvalidInputs'],
    ["1 LIKE 'a'", 'LikeInvalidInputs'],
    ["null LIKE 'a'", 'null'],
    // Conditions.
    ["CASE 1 WHEN 1 THEN 'one' ELSE 'other' END", '"one"'],
    ["CASE s.a WHEN 2 THEN 'two' ELSE 'other' END", '"other"'],
    ["CASE WHEN s.a > 5 THEN 'big' WHEN s.a > 0 THEN 'small' END", '"small"'],
    ["CASE WHEN false THEN 'x' END", 'null'],
    ["CASE null WHEN null THEN 'x' ELSE 'y' END", '"y"'],
    ['COALESCE(1)', '1'],
    ['COALESCE(null)', 'null'],
    ['COALESCE(missing, missing)', 'null'],
    ['COALESCE(null, null, 1)', '1'],
    ["COALESCE(null, 'string')", '"string"'],
    ['COALESCE(missing, 1)', '1'],
    ['NULLIF(1, 1)', 'null'],
    ['NULLIF(1, 2)', '1'],
    ['NULLIF(1.0, 1)', 'null'],
    ["NULLIF(1, '1')", '1'],
    ['NULLIF([1], [1])', 'null'],
    ['NULLIF(1, NULL)', '1'],
    ['NULLIF(NULL, 1)', 'null'],
    ['NULLIF(missing, null)', 'null'],
    // CAST.
    ["CAST('12' AS INT)", '12'],
    ["CAST(' 12 ' AS INTEGER)", '12'],
    ["CAST('1.5' AS INT)", 'CastFailed'],
    ["CAST('' AS INT)", 'CastFailed'],
    ["CAST('99999999999999999999' AS INT)", 'IntegerOverflow'],
    ['CAST(2.9 AS INT)', '2'],
    ['CAST(-2.9 AS INT)', '-2'],
    ['CAST(true AS INT)', '1'],
    ["CAST('2.5' AS FLOAT)", '2.5'],
    ["CAST('x' AS FLOAT)", 'CastFailed'],
    ["CAST('Infinity' AS FLOAT)", 'CastFailed'],
    ["CAST('2.50' AS DECIMAL)", '2.50'],
    ["CAST('2.567' AS DECIMAL(3,1))", '2.567'],
    ['CAST(0.456 AS FLOAT)', '0.456'],
    ["CAST('TRUE' AS BOOL)", 'true'],
    ["CAST('yes' AS BOOLEAN)", 'CastFailed'],
    ['CAST(0 AS BOOL)', 'false'],
    ['CAST(12 AS STRING)', '"12"'],
    ['CAST(1.50 AS STRING)', '"1.50"'],
    ['CAST(true AS STRING)', '"true"'],
    ['CAST(CAST(12 AS VARCHAR(10)) AS NUMERIC)', '12'],
    ["CAST('2007-04-05T14:30Z' AS TIMESTAMP)", '"2007-04-05T14:30Z"'],
    ["CAST('yesterday' AS TIMESTAMP)", 'CastFailed'],
    ["CAST('2007-02-30T' AS TIMESTAMP)", 'CastFailed'],
    ['CAST(5 AS TIMESTAMP)', 'InvalidCast'],
    ['CAST([1] AS STRING)', 'InvalidCast'],
    ['CAST(null AS INT)', 'null'],
    ['CAST(missing AS INT)', 'nothing'],
    ['CAST(1 AS DATE)', 'InvalidDataType'],
    ['CAST(1 AS nonsense)', 'ParseExpectedTypeName'],
    ['CAST(1, INT)', 'ParseCastArity'],
    ['CAST 1', 'ParseExpectedLeftParenAfterCast'],
    // Text.
    ["CHAR_LENGTH('')", '0'],
    ["CHARACTER_LENGTH('abcdefg')", '7'],
    ["CHAR_LENGTH('😀😀')", '2'],
    ["LOWER('AbCdEfG!@#$')", '"abcdefg!@#$"'],
    ["UPPER('AbCdEfG!@#$')", '"ABCDEFG!@#$"'],
    ["SUBSTRING('123456789', 0)", '"123456789"'],
    ["SUBSTRING('123456789', 2)", '"23456789"'],
    ["SUBSTRING('123456789', -4)", '"123456789"'],
    ["SUBSTRING('123456789', 0, 999)", '"123456789"'],
    ["SUBSTRING('123456789', 1, 5)", '"12345"'],
    ["SUBSTRING('123456789' FROM 3 FOR 2)", '"34"'],
    ["SUBSTRING('123456789' FROM -1 FOR 4)", '"12"'],
    ["SUBSTRING('123456789', -5, 3)", '""'],
    ["SUBSTRING('a😀c', 2, 1)", '"😀"'],
    ["SUBSTRING('abc', 1, -1)", 'IllegalSqlFunctionArgument'],
    ["SUBSTRING('abc')", 'EvaluatorInvalidArguments'],
    ["TRIM('       foobar         ')", '"foobar"'],
    ["TRIM(LEADING FROM '       foobar         ')", '"foobar         "'],
    ["TRIM(TRAILING FROM '       foobar         ')", '"       foobar"'],
    ["TRIM(BOTH FROM '       foobar         ')", '"foobar"'],
    ["TRIM(BOTH '12' FROM '1112211foobar22211122')", '"foobar"'],
    ['UPPER(1)', 'IncorrectSqlFunctionArgumentType'],
    ['UPPER(null)', 'null'],
    ["UPPER('a', 'b')", 'EvaluatorInvalidArguments'],
    ["SOUNDEX('a')", 'UnsupportedFunction'],
  ])('%s gives %s', (expression, expected) => {
    expect(resultOf(expression)).toBe(expected)
  })
})

describe('dates', () => {
  test.each([
    ['UTCNOW()', '"2026-11-23T09:00:00.123Z"'],
    ['DATE_ADD(year, 5, `2010-01-01T`)', '"2015-01-01T"'],
    ['DATE_ADD(month, 1, `2010T`)', '"2010-02T"'],
    ['DATE_ADD(month, 13, `2010T`)', '"2011-02T"'],
    ['DATE_ADD(month, 1, `2024-01-31T`)', '"2024-02-29T"'],
    ['DATE_ADD(day, -1, `2017-01-10T`)', '"2017-01-09T"'],
    ['DATE_ADD(hour, 1, `2017T`)', '"2017-01-01T01:00-00:00"'],
    ['DATE_ADD(hour, 1, `2017-01-02T03:04Z`)', '"2017-01-02T04:04Z"'],
    ['DATE_ADD(minute, 1, `2017-01-02T03:04:05.006Z`)', '"2017-01-02T03:05:05.006Z"'],
    ['DATE_ADD(second, 1, `2017-01-02T03:04:05.006Z`)', '"2017-01-02T03:04:06.006Z"'],
    ['DATE_ADD(year, 9000, `2017T`)', 'ExternalEvalException'],
    ['DATE_ADD(fortnight, 1, `2017T`)', 'ParseExpectedDatePart'],
    ["DATE_ADD(day, 1, '2017T')", 'IncorrectSqlFunctionArgumentType'],
    ['DATE_DIFF(year, `2010-01-01T`, `2011-01-01T`)', '1'],
    ['DATE_DIFF(month, `2010T`, `2010-05T`)', '4'],
    ['DATE_DIFF(month, `2010T`, `2011T`)', '12'],
    ['DATE_DIFF(month, `2011T`, `2010T`)', '-12'],
    ['DATE_DIFF(day, `2010-01-01T23:00Z`, `2010-01-02T01:00Z`)', '0'],
    ['DATE_DIFF(hour, `2010-01-01T23:00Z`, `2010-01-02T01:00+01:00`)', '1'],
    ['EXTRACT(YEAR FROM `2010-01-01T`)', '2010'],
    ['EXTRACT(MONTH FROM `2010T`)', '1'],
    ['EXTRACT(MONTH FROM `2010-10T`)', '10'],
    ['EXTRACT(HOUR FROM `2017-01-02T03:04:05+07:08`)', '3'],
    ['EXTRACT(MINUTE FROM `2017-01-02T03:04:05+07:08`)', '4'],
    ['EXTRACT(SECOND FROM `2017-01-02T03:04:05.25Z`)', '5.25'],
    ['EXTRACT(TIMEZONE_HOUR FROM `2017-01-02T03:04:05+07:08`)', '7'],
    ['EXTRACT(TIMEZONE_MINUTE FROM `2017-01-02T03:04:05+07:08`)', '8'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'MMMM d, y')", '"July 20, 1969"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'MMM d, yyyy')", '"Jul 20, 1969"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'M-d-yy')", '"7-20-69"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'MM-d-y')", '"07-20-1969"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'MMMM d, y h:m a')", '"July 20, 1969 8:18 PM"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'y-MM-dd''T''H:m:ssX')", '"1969-07-20T20:18:00Z"'],
    ["TO_STRING(`1969-07-20T20:18+08:00`, 'y-MM-dd''T''H:m:ssXXXX')", '"1969-07-20T20:18:00+0800"'],
    ["TO_STRING(`1969-07-20T20:18+08:00`, 'y-MM-dd''T''H:m:ssXXXXX')", '"1969-07-20T20:18:00+08:00"'],
    ["TO_STRING(`1969-07-20T20:18:01.5Z`, 'SSS MMMMM')", '"500 J"'],
    ["TO_STRING(`1969T`, 'Q')", 'EvaluatorInvalidTimestampFormatPatternSymbol'],
    ["TO_STRING(`1969T`, 'yyyyy')", 'EvaluatorInvalidTimestampFormatPatternToken'],
    ["TO_STRING(`1969T`, 'y''x')", 'EvaluatorUnterminatedTimestampFormatPatternToken'],
    ["TO_TIMESTAMP('2007T')", '"2007T"'],
    ["TO_TIMESTAMP('2007-02-23T12:14:33.079-08:00')", '"2007-02-23T12:14:33.079-08:00"'],
    ["TO_TIMESTAMP('last week')", 'ValueParseFailure'],
    ["TO_TIMESTAMP('02-2016', 'MM-yyyy')", '"2016-02T"'],
    ["TO_TIMESTAMP('February 2016', 'MMMM yyyy')", '"2016-02T"'],
    ["TO_TIMESTAMP('7/4/69 8:05 pm', 'M/d/yy h:mm a')", '"2069-07-04T20:05-00:00"'],
    ["TO_TIMESTAMP('2016-01', 'yyyy-dd')", 'EvaluatorInvalidTimestampFormatPattern'],
    ["TO_TIMESTAMP('1', 'MMMMM')", 'EvaluatorInvalidTimestampFormatPatternSymbolForParsing'],
    ["TO_TIMESTAMP('1', 'y y')", 'EvaluatorTimestampFormatPatternDuplicateFields'],
    ["TO_TIMESTAMP('1', 'y-M-d h:m')", 'EvaluatorTimestampFormatPatternHourClockAmPmMismatch'],
    ['`2017-01-01T00:00Z` = `2017-01-01T01:00+01:00`', 'true'],
    ['`2017T` < UTCNOW()', 'true'],
  ])('%s gives %s', (expression, expected) => {
    expect(resultOf(expression)).toBe(expected)
  })
})

const people = 'Id,Name,City\n1,Ann,Rome\n2,Bob,"New York"\n3,Cy,\n'

describe('queries of CSV', () => {
  test.each([
    [
      'SELECT * FROM S3Object',
      '{"Id":"1","Name":"Ann","City":"Rome"}\n{"Id":"2","Name":"Bob","City":"New York"}\n{"Id":"3","Name":"Cy","City":""}',
    ],
    ['select s.name from s3object s', '{"name":"Ann"}\n{"name":"Bob"}\n{"name":"Cy"}'],
    ['SELECT s."Name" FROM S3Object s LIMIT 1', '{"Name":"Ann"}'],
    ['SELECT s."name" FROM S3Object s', 'MissingHeaders'],
    ["SELECT Name AS n, Id i FROM S3Object WHERE City = 'Rome'", '{"n":"Ann","i":"1"}'],
    ["SELECT _2 FROM S3Object s WHERE s._1 = '2'", '{"_2":"Bob"}'],
    ['SELECT s._9 FROM S3Object s LIMIT 1', '{}'],
    ['SELECT s._0 FROM S3Object s', 'InvalidColumnIndex'],
    ['SELECT s.* FROM S3Object s WHERE CAST(s.Id AS INT) > 2', '{"Id":"3","Name":"Cy","City":""}'],
    ['SELECT UPPER(Name), Id FROM S3Object LIMIT 1', '{"_1":"ANN","Id":"1"}'],
    ['SELECT Name FROM S3Object LIMIT 0', ''],
    ['SELECT COUNT(*) FROM S3Object', '{"_1":3}'],
    ['SELECT COUNT(*) AS n FROM S3Object LIMIT 1', '{"n":3}'],
    ["SELECT COUNT(*) FROM S3Object WHERE City LIKE '%o%'", '{"_1":2}'],
    [
      "SELECT SUM(CAST(Id AS INT)), AVG(CAST(Id AS INT)), MIN(CAST(Id AS INT)), MAX(CAST(Id AS INT)) FROM S3Object WHERE Id <> '1'",
      '{"_1":5,"_2":2.5,"_3":2,"_4":3}',
    ],
    ['SELECT SUM(CAST(Id AS FLOAT)) / COUNT(*) AS mean FROM S3Object', '{"mean":2}'],
    ["SELECT MAX(CAST(Id AS INT)) FROM S3Object WHERE Id = 'x'", '{"_1":null}'],
    ['SELECT SUM(Id) FROM S3Object', 'ExternalEvalException'],
    ['SELECT * FROM S3Object s WHERE s.Id > 1', 'ExternalEvalException'],
    ['SELECT COUNT(*), Name FROM S3Object', 'UnsupportedSqlStructure'],
    ['SELECT Name FROM S3Object WHERE COUNT(*) > 1', 'UnsupportedSqlStructure'],
    ['SELECT SUM(COUNT(*)) FROM S3Object', 'UnsupportedSqlStructure'],
    ['SELECT Name FROM S3Object s WHERE s.City IS NULL', ''],
    ['SELECT Name FROM S3Object[*].x', 'InvalidKeyPath'],
    ['SELECT CAST(Name AS INT) FROM S3Object', 'CastFailed'],
    ['SELECT Name FROM S3Object -- all of them\n LIMIT 1;', '{"Name":"Ann"}'],
  ])('%s', (expression, expected) => {
    expect(run(expression, csv(), people)).toBe(expected)
  })

  test.each<[string, TextFormat, string, string, string]>([
    ['headers that differ in case', csv(), 'NAME,name\nA,b\n', 'SELECT s.name FROM S3Object s', 'AmbiguousFieldName'],
    ['… told apart by quotes', csv(), 'NAME,name\nA,b\n', 'SELECT s."NAME" FROM S3Object s', '{"NAME":"A"}'],
    ['a header that is a keyword', csv(), 'CAST\nx\n', 'SELECT s."CAST" FROM S3Object s', '{"CAST":"x"}'],
    ['… without quotes', csv(), 'CAST\nx\n', 'SELECT s.CAST FROM S3Object s', 'ParseInvalidPathComponent'],
    ['no header', csv('NONE'), 'a,b\nc,d\n', 'SELECT * FROM S3Object', '{"_1":"a","_2":"b"}\n{"_1":"c","_2":"d"}'],
    ['an ignored header', csv('IGNORE'), 'x,y\nc,d\n', 'SELECT _2 FROM S3Object', '{"_2":"d"}'],
    ['a name without a header', csv('NONE'), 'a,b\n', 'SELECT s.x FROM S3Object s', 'MissingHeaders'],
    [
      'other delimiters',
      csv('NONE', { fieldDelimiter: '|', recordDelimiter: ';' }),
      'a|b;c|d',
      'SELECT _2 FROM S3Object',
      '{"_2":"b"}\n{"_2":"d"}',
    ],
    [
      'two characters between records',
      csv('NONE', { recordDelimiter: '\r\n' }),
      'a,b\r\nc,d\r\n',
      'SELECT _2 FROM S3Object',
      '{"_2":"b"}\n{"_2":"d"}',
    ],
    [
      'a delimiter of several bytes',
      csv('NONE', { fieldDelimiter: '→', recordDelimiter: '¶' }),
      'a→b¶c→d¶',
      'SELECT _2 FROM S3Object',
      '{"_2":"b"}\n{"_2":"d"}',
    ],
    ['lines that end as on Windows', csv(), 'a,b\r\n1,2\r\n', 'SELECT b FROM S3Object', '{"b":"2"}'],
    ['quoted ones', csv(), 'a,b\r\n1,"2"\r\n', 'SELECT b FROM S3Object', '{"b":"2"}'],
    ['quotes', csv('NONE'), '"a ""x"" ,",b,""\n', 'SELECT * FROM S3Object', '{"_1":"a \\"x\\" ,","_2":"b","_3":""}'],
    [
      'other quotes',
      csv('NONE', { quote: "'", quoteEscape: '\\' }),
      "'a\\'b,\\\\c\\d',e\n",
      'SELECT _1 FROM S3Object',
      '{"_1":"a\'b,\\\\c\\\\d"}',
    ],
    ['no quotes at all', csv('NONE', { quote: '' }), '"a,b"\n', 'SELECT _1 FROM S3Object', '{"_1":"\\"a"}'],
    ['a quote within a field', csv('NONE'), '5" pipe,x\n', 'SELECT _1 FROM S3Object', '{"_1":"5\\" pipe"}'],
    ['text behind a quote', csv('NONE'), '"a"b,c\n', 'SELECT _1 FROM S3Object', 'CSVUnescapedQuote'],
    ['a quoted delimiter', csv('NONE'), '"a\nb",c\n', 'SELECT _1 FROM S3Object', 'CSVEscapingRecordDelimiter'],
    [
      '… that is allowed',
      csv('NONE', { quotedRecordDelimiters: true }),
      '"a\r\n\nb",c\nd,e\n',
      'SELECT * FROM S3Object',
      '{"_1":"a\\r\\n\\nb","_2":"c"}\n{"_1":"d","_2":"e"}',
    ],
    [
      'a quote never closed',
      csv('NONE', { quotedRecordDelimiters: true }),
      'a\n"b\n',
      'SELECT _1 FROM S3Object',
      'CSVUnescapedQuote',
    ],
    ['comments and empty lines', csv('NONE'), '#a\n\nb\n#c', 'SELECT _1 FROM S3Object', '{"_1":"b"}'],
    ['other comments', csv('NONE', { comment: '/' }), '#a\n/b\n', 'SELECT _1 FROM S3Object', '{"_1":"#a"}'],
    ['a byte order mark', csv(), '\ufeffa\n1\n', 'SELECT a FROM S3Object', '{"a":"1"}'],
    [
      'records of different length',
      csv(),
      'a,b\n1\n1,2,3\n',
      'SELECT * FROM S3Object',
      '{"a":"1"}\n{"a":"1","b":"2","_3":"3"}',
    ],
    ['an empty object', csv(), '', 'SELECT x FROM S3Object', ''],
    ['… counted', csv(), '', 'SELECT COUNT(x) FROM S3Object', '{"_1":0}'],
    ['nothing behind the limit is looked at', csv('NONE'), 'a\n"b\nc', 'SELECT _1 FROM S3Object LIMIT 1', '{"_1":"a"}'],
  ])('%s', (_, format, input, expression, expected) => {
    for (const size of [1, 3, 1000]) expect(run(expression, format, input, { size })).toBe(expected)
  })

  test('text that is not UTF-8 is refused', () => {
    expect(run('SELECT _1 FROM S3Object', csv('NONE'), Buffer.from('caf\xe9\n', 'latin1'))).toBe('InvalidTextEncoding')
    expect(run('SELECT * FROM S3Object', document, Buffer.from('{"a":"\xe9"}', 'latin1'))).toBe('InvalidTextEncoding')
  })

  test('a record has a megabyte at most, and costs no more to refuse', () => {
    const long = 'x'.repeat(1024 * 1024 + 1)
    expect(run('SELECT * FROM S3Object', csv('NONE'), long, { size: 65_536 })).toBe('OverMaxRecordSize')
    const quoted = `"${'y\n'.repeat(600_000)}"`
    const format = csv('NONE', { quotedRecordDelimiters: true })
    expect(run('SELECT * FROM S3Object', format, quoted, { size: 65_536 })).toBe('OverMaxRecordSize')
    const doubling = `SELECT ${Array.from({ length: 3 }, () => '_1').join(' || ')} FROM S3Object`
    expect(run(doubling, csv('NONE'), 'x'.repeat(500_000), { size: 65_536 })).toBe('OverMaxRecordSize')
  })

  test.each([
    [1, 4, 'C,D'],
    [0, 3, 'A,B'],
    [0, 4, 'A,B\nC,D'],
    [4, 4, 'C,D'],
    [5, 11, 'D,E'],
    [20, 23, 'I,J'],
    [21, 23, ''],
  ])('a scan from %d to %d', (start, end, expected) => {
    const input = 'A,B\nC,D\nD,E\nE,F\nG,H\nI,J\n'
    const from = Math.max(0, start - 1)
    const found = run('SELECT * FROM S3Object', csv('NONE'), input.slice(from), { write: asCsv, scan: { start, end } })
    expect(found).toBe(expected)
  })
})

const rules = `{ "Rules": [ {"id": "1"}, {"expr": "y > x"}, {"id": "2", "expr": "z = DEBUG"} ]}
{ "created": "June 27", "modified": "July 6" }`
const folders = `{ "created": "936864000", "dir_name": "important_docs", "files": [ { "name": "." }, { "name": ".." } ], "owner": "AWS S3" }
{ "created": "936864000", "dir_name": "other_docs", "files": [ { "name": "." }, { "name": "my stuff" } ], "owner": "User" }`
const susan = `{"name": "Susan Smith",
"org": "engineering",
"projects":
    [
     {"project_name":"project1", "completed":false},
     {"project_name":"project2", "completed":true}
    ]
}`

describe('queries of JSON', () => {
  test.each([
    [rules, 'SELECT id FROM S3Object[*].Rules[*].id', '{"id":"1"}\n{}\n{"id":"2"}\n{}'],
    [rules, 'SELECT id FROM S3Object[*].Rules[*].id WHERE id IS NOT MISSING', '{"id":"1"}\n{"id":"2"}'],
    [rules, 'SELECT COUNT(id) FROM S3Object[*].Rules[*].id', '{"_1":2}'],
    [rules, "SELECT r.expr FROM S3Object[*].Rules[*] AS r WHERE r.id = '2'", '{"expr":"z = DEBUG"}'],
    [rules, 'SELECT _1.id FROM S3Object[*].Rules[*]', '{"id":"1"}\n{}\n{"id":"2"}\n{}'],
    [rules, 'SELECT * FROM S3Object[*].Rules[1]', '{"expr":"y > x"}\n{}'],
    [rules, "SELECT * FROM S3Object[*]['Rules'][0].id", '{"_1":"1"}\n{}'],
    [rules, 'SELECT * FROM S3Object[*].rules[0]', '{"id":"1"}\n{}'],
    [rules, 'SELECT * FROM S3Object[*]."rules"[0]', '{}\n{}'],
    [
      rules,
      'SELECT v FROM S3Object[*].* AS v',
      '{"v":[{"id":"1"},{"expr":"y > x"},{"id":"2","expr":"z = DEBUG"}]}\n{"v":"June 27"}\n{"v":"July 6"}',
    ],
    [rules, 'SELECT * FROM S3Object.Rules', 'InvalidKeyPath'],
    [
      folders,
      'SELECT d.dir_name, d.files FROM S3Object[*] d',
      '{"dir_name":"important_docs","files":[{"name":"."},{"name":".."}]}\n{"dir_name":"other_docs","files":[{"name":"."},{"name":"my stuff"}]}',
    ],
    [
      folders,
      'SELECT _1.dir_name, _1.owner FROM S3Object[*]',
      '{"dir_name":"important_docs","owner":"AWS S3"}\n{"dir_name":"other_docs","owner":"User"}',
    ],
    [folders, "SELECT name FROM S3Object[*].files[*].name WHERE name LIKE '%s%'", '{"name":"my stuff"}'],
    [susan, 'Select s.name from S3Object s', '{"name":"Susan Smith"}'],
    [susan, 'Select s.projects[0].project_name from S3Object s', '{"project_name":"project1"}'],
    [susan, "Select s.projects[5].project_name, s['org'] from S3Object s", '{"org":"engineering"}'],
    [susan, 'Select S3Object.projects[1].completed from S3Object', '{"completed":true}'],
    [susan, 'Select s.projects[0] from S3Object s', '{"_1":{"project_name":"project1","completed":false}}'],
    [
      susan,
      'Select s from S3Object[*].projects[*] s WHERE s.completed',
      '{"s":{"project_name":"project2","completed":true}}',
    ],
    [susan, 'SELECT s.projects[*].completed FROM S3Object s', 'ParseInvalidContextForWildcardInSelectList'],
    ['[1,2,3]', 'SELECT * FROM S3Object[*][*]', '{"_1":1}\n{"_1":2}\n{"_1":3}'],
    ['[]', 'SELECT * FROM S3Object[*][*]', '{}'],
    ['1 "two" null [3]', 'SELECT * FROM S3Object', '{"_1":1}\n{"_1":"two"}\n{"_1":null}\n{"_1":[3]}'],
    [
      '{"a":null,"b":[null]}',
      'SELECT s.a, s.b, s.b[0] AS c, s.b[1] AS d FROM S3Object s',
      '{"a":null,"b":[null],"c":null}',
    ],
    [
      '{"n":12345678901234567890,"d":1.10,"e":1e3}',
      'SELECT * FROM S3Object',
      '{"n":12345678901234567890,"d":1.10,"e":1000}',
    ],
    ['{"A":1,"a":2}', 'SELECT s.a FROM S3Object s', 'AmbiguousFieldName'],
    ['{"A":1,"a":2}', 'SELECT s."a" FROM S3Object s', '{"a":2}'],
    ['{"s":"tab\\t\\u00e9\\ud83d\\ude00\\\\"}', 'SELECT * FROM S3Object', '{"s":"tab\\té😀\\\\"}'],
    ['{"a":1', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['{"a":}', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['{"a":1,}', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['{a:1}', 'SELECT s.b FROM S3Object[*].b s', 'JSONParsingError'],
    ['{"a":01}', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['{"a":1.}', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['{"a":nul}', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['{"a" 1}', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['[1 2]', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['{"a":"\n"}', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['{"a":1]', 'SELECT * FROM S3Object', 'JSONParsingError'],
    ['', 'SELECT COUNT(*) FROM S3Object', '{"_1":0}'],
  ])('%s: %s', (input, expression, expected) => {
    for (const size of [1, 3, 1000]) expect(run(expression, document, input, { size })).toBe(expected)
  })

  test('in lines, each value is at its line’s end', () => {
    const input = '{"a":1}\n\n{"a":2}\n{"a":3}'
    expect(run('SELECT * FROM S3Object WHERE a > 1', lines, input)).toBe('{"a":2}\n{"a":3}')
    expect(run('SELECT * FROM S3Object', lines, '{"a":\n1}')).toBe('JSONParsingError')
    expect(run('SELECT s.a FROM S3Object[*].a[*] s', lines, '{"a":[{"a":5}]}')).toBe('{"a":5}')
  })

  test('a document may be larger than a record, as long as what FROM leads to is not', () => {
    const many = `{"skipped":"${'s'.repeat(900_000)}","items":[${Array.from({ length: 60_000 }, (_, n) => `{"n":${n},"text":"some more of it"}`).join(',')}]}`
    expect(run('SELECT SUM(r.n) FROM S3Object[*].items[*] r', document, many, { size: 65_536 })).toBe(
      '{"_1":1799970000}',
    )
    expect(run('SELECT COUNT(*) FROM S3Object', document, many, { size: 65_536 })).toBe('OverMaxRecordSize')
  })
})

describe('results as CSV', () => {
  test.each([
    ['SELECT * FROM S3Object', '1,Ann,Rome\n2,Bob,New York\n3,Cy,'],
    [
      "SELECT 'a,b', 'say \"x\"', 'two\nlines', 1.5, null, missing FROM S3Object LIMIT 1",
      '"a,b","say ""x""","two\nlines",1.5,,',
    ],
    ['SELECT [1] FROM S3Object', 'UnsupportedSqlOperation'],
    ['SELECT COUNT(*) FROM S3Object', '3'],
  ])('%s', (expression, expected) => {
    expect(run(expression, csv(), people, { write: asCsv })).toBe(expected)
  })

  test('settings', () => {
    const write = csvWriter({
      fieldDelimiter: '|',
      recordDelimiter: ';',
      quote: "'",
      quoteEscape: '\\',
      quoteAll: true,
    })
    expect(run("SELECT Id, 'it''s', null FROM S3Object LIMIT 2", csv(), people, { write })).toBe(
      "'1'|'it\\'s'|'';'2'|'it\\'s'|'';",
    )
  })
})

describe('what is no query', () => {
  test.each([
    ['', 'ParseUnsupportedSyntax'],
    ['DELETE FROM S3Object', 'ParseUnsupportedSyntax'],
    ['SELECT', 'ParseEmptySelect'],
    ['SELECT FROM S3Object', 'ParseEmptySelect'],
    ['SELECT *', 'ParseSelectMissingFrom'],
    ['SELECT a', 'ParseSelectMissingFrom'],
    ['SELECT a b c FROM S3Object', 'ParseUnexpectedToken'],
    ['SELECT *, a FROM S3Object', 'ParseAsteriskIsNotAloneInSelectList'],
    ['SELECT a, * FROM S3Object', 'ParseAsteriskIsNotAloneInSelectList'],
    ['SELECT DISTINCT a FROM S3Object', 'ParseUnsupportedSelect'],
    ['SELECT a AS FROM S3Object', 'ParseExpectedIdentForAlias'],
    ['SELECT a FROM elsewhere', 'EvaluatorBindingDoesNotExist'],
    ['SELECT a FROM S3Object x, S3Object y', 'MultipleDataSourcesUnsupported'],
    ['SELECT a FROM S3Object x JOIN S3Object y', 'ParseMalformedJoin'],
    ['SELECT a FROM S3Object GROUP BY a', 'ParseExpectedIdentForGroupName'],
    ['SELECT a FROM S3Object ORDER BY a', 'ParseUnsupportedSyntax'],
    ['SELECT a FROM S3Object LIMIT x', 'ParseExpectedNumber'],
    ['SELECT a FROM S3Object LIMIT -1', 'EvaluatorNegativeLimit'],
    ['SELECT a FROM S3Object WHERE', 'ParseExpectedExpression'],
    ['SELECT a FROM S3Object WHERE a =', 'ParseExpectedExpression'],
    ['SELECT a FROM S3Object WHERE a BETWEEN 1', 'ParseExpectedKeyword'],
    ['SELECT a FROM S3Object WHERE a IN 1', 'ParseExpectedLeftParenValueConstructor'],
    ['SELECT a FROM S3Object WHERE a IN (1', 'ParseExpectedArgumentDelimiter'],
    ['SELECT a FROM S3Object WHERE (a = 1', 'ParseExpectedTokenType'],
    ['SELECT a FROM S3Object WHERE a IS 5', 'ParseUnsupportedSyntax'],
    ['SELECT size FROM S3Object', 'ParseUnExpectedKeyword'],
    ['SELECT a FROM S3Object WHERE a = (SELECT b FROM S3Object)', 'ParseUnsupportedSelect'],
    ['SELECT CASE END FROM S3Object', 'ParseUnExpectedKeyword'],
    ['SELECT CASE a END FROM S3Object', 'ParseExpectedWhenClause'],
    ['SELECT SUM(*) FROM S3Object', 'ParseUnsupportedCallWithStar'],
    ['SELECT SUM(a, b) FROM S3Object', 'ParseNonUnaryAgregateFunctionCall'],
    ['SELECT COUNT(DISTINCT a) FROM S3Object', 'ParseUnsupportedSyntax'],
    ['SELECT SUM a FROM S3Object', 'ParseExpectedLeftParenBuiltinFunctionCall'],
    ['SELECT a.* FROM S3Object WHERE a[x] = 1', 'ParseInvalidPathComponent'],
    ['SELECT s.a[0].* FROM S3Object s', 'ParseCannotMixSqbAndWildcardInSelectList'],
    ["SELECT 'a FROM S3Object", 'LexerInvalidLiteral'],
    ['SELECT 1a FROM S3Object', 'LexerInvalidLiteral'],
    ['SELECT `nonsense` FROM S3Object', 'LexerInvalidIONLiteral'],
    ['SELECT a ! b FROM S3Object', 'LexerInvalidOperator'],
    ['SELECT a \\ b FROM S3Object', 'LexerInvalidChar'],
    ['SELECT a FROM S3Object s s', 'ParseUnexpectedToken'],
  ])('%s is %s', (expression, code) => {
    expect(run(expression, lines, '{"a":1}')).toBe(code)
  })
})

describe('hostile input', () => {
  test('expressions too long or too deep are refused', () => {
    const of = (inner: string) => `SELECT ${inner} FROM S3Object`
    expect(run(of(`'${'x'.repeat(262_144)}'`), lines, '{}')).toBe('ExpressionTooLong')
    for (const [open, close] of [
      ['(', ')'],
      ['- ', ''],
      ['NOT ', ''],
      ['UPPER(', ')'],
      ['[', ']'],
      ['CASE WHEN true THEN ', ' END'],
    ] as const)
      expect(run(of(`${open.repeat(5000)}1${close.repeat(5000)}`), lines, '{}')).toBe('MaxOperatorsExceeded')
    expect(run(of(`1${' = 1'.repeat(5000)}`), lines, '{}')).toBe('MaxOperatorsExceeded')
  })

  test('long ones that are flat are not', () => {
    const sum = `1${' + 1'.repeat(50_000)}`
    const or = Array.from({ length: 10_000 }, (_, n) => `s.a = ${n}`).join(' OR ')
    expect(run(`SELECT ${sum} AS v FROM S3Object`, lines, '{}')).toBe('{"v":50001}')
    expect(run(`SELECT * FROM S3Object s WHERE ${or}`, lines, '{"a":9999}')).toBe('{"a":9999}')
  })

  test('results that repeat a record are refused before they are made', () => {
    const row = `{"a":"${'x'.repeat(900_000)}"}`
    const all = Array.from({ length: 20_000 }, () => 's').join(',')
    for (const write of [asJson, asCsv])
      expect(run(`SELECT ${all.replaceAll('s', 's.a')} FROM S3Object s`, lines, row, { size: 65_536, write })).toBe(
        'OverMaxRecordSize',
      )
    expect(run(`SELECT [${all}] FROM S3Object s`, lines, row, { size: 65_536 })).toBe('OverMaxRecordSize')
    const many = `SELECT ${'UPPER(s.a) || '.repeat(1001)}'' FROM S3Object s`
    expect(run(many, lines, row)).toBe('MaxOperatorsExceeded')
  })

  test('many names of records with many names, and lines of escapes, are gone through once', () => {
    const wide = `{${Array.from({ length: 60_000 }, (_, n) => `"n${n}":1`).join(',')}}`
    const sum = Array.from({ length: 20_000 }, (_, n) => `s.N${n}`).join('+')
    expect(run(`SELECT ${sum} AS v FROM S3Object s`, lines, wide, { size: 65_536 })).toBe('{"v":20000}')
    const escapes = `"${'\\x'.repeat(500_000)}"`
    const format = csv('NONE', { quoteEscape: '\\' })
    expect(run('SELECT CHAR_LENGTH(_1) AS v FROM S3Object', format, escapes, { size: 65_536 })).toBe('{"v":1000000}')
  })

  test('JSON too deep is refused', () => {
    const deep = '['.repeat(100_000)
    expect(run('SELECT * FROM S3Object', document, deep, { size: 65_536 })).toBe('JSONParsingError')
    expect(run('SELECT * FROM S3Object[*].a', document, deep, { size: 65_536 })).toBe('JSONParsingError')
  })

  test('numbers without end are refused', () => {
    expect(run('SELECT * FROM S3Object', lines, `{"a":${'9'.repeat(5000)}}`)).toBe('NumberFormatError')
    expect(run('SELECT * FROM S3Object', lines, '{"a":1e999999}')).toBe('NumberFormatError')
    expect(resultOf(`CAST('${'9'.repeat(100_000)}' AS INT)`)).toBe('CastFailed')
    expect(resultOf("CAST('1e999999' AS DECIMAL)")).toBe('NumberFormatError')
    expect(resultOf('9'.repeat(10_000))).toBe('NumberFormatError')
  })

  test('patterns that are made to be slow are not', () => {
    const text = 'a'.repeat(200_000)
    const patterns = ['%a'.repeat(500), `%${'a_'.repeat(500)}b%`, `%${'_'.repeat(1000)}b`, `%b${'a'.repeat(2000)}%`]
    for (const pattern of patterns)
      expect(
        run(`SELECT s.a LIKE '${pattern}' AS v FROM S3Object s`, lines, `{"a":"${text}"}`, { size: 65_536 }),
      ).toMatch(/^\{"v":(true|false)\}$/)
  })
})
