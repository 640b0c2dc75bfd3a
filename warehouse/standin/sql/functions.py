"""The functions of Redshift: a call of any other function is refused by name.

Calls with a schema before the name are left alone: they may be the user's own functions.
"""

from psycopg2 import errors

from .refusals import refusal

# c_SQL_functions: those that PostgreSQL has too, with the same name and the same results.
SAME = frozenset("""
    abs acos ascii asin atan atan2 bit_and bit_or bool_and bool_or btrim cbrt ceil ceiling chr
    coalesce cos cot count cume_dist current_database current_schema current_schemas current_setting
    date degrees dense_rank exp first_value floor format_type greatest has_database_privilege
    has_schema_privilege has_table_privilege initcap last_value least left length ln lower lpad
    ltrim max md5 min mod nth_value ntile nullif octet_length percent_rank percentile_cont
    percentile_disc pg_backend_pid pg_cancel_backend pg_get_constraintdef pg_get_expr
    pg_get_userbyid pg_get_viewdef pg_terminate_backend pi position pow power quote_ident
    quote_literal radians random rank regexp_count regexp_instr regexp_substr replace reverse right
    row_number rpad rtrim session_user sign sin sqrt strpos substr substring sum tan timeofday
    to_char to_date to_hex to_number translate trim upper version
""".split())
# c_unsupported-postgresql-functions: the functions that it names.
_UNSUPPORTED = frozenset("""
    array_agg bit_length clock_timestamp convert_from convert_to corr covar_pop covar_samp div encode
    every format generate_series generate_subscripts justify_days justify_hours justify_interval
    obj_description overlay pg_sleep pg_table_is_visible quote_nullable regexp_matches
    regexp_split_to_array regexp_split_to_table regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope regr_sxx regr_sxy regr_syy setseed string_agg transaction_timestamp width_bucket
    xml_agg
""".split())
# A function that Redshift does not have -> what to write instead.
_INSTEAD = {
    "string_agg": "LISTAGG",
    "array_agg": "LISTAGG",
    "every": "BOOL_AND",
    "generate_series": "a recursive CTE or a table of numbers",
    "clock_timestamp": "GETDATE()",
    "transaction_timestamp": "SYSDATE",
    "statement_timestamp": "GETDATE()",
    "gen_random_uuid": "MD5 of the key",
    "encode": "TO_HEX",
    "bit_length": "8 * OCTET_LENGTH",
    "concat_ws": "||",
    "format": "||",
    "overlay": "SUBSTRING and ||",
    "div": "/ of integers",
    "date_bin": "DATE_TRUNC",
    "make_date": "a cast of a text to DATE",
    "make_timestamp": "a cast of a text to TIMESTAMP",
    "make_interval": "DATEADD",
    "regexp_matches": "REGEXP_SUBSTR",
    "regexp_match": "REGEXP_SUBSTR",
    "nextval": "an IDENTITY column",
    "row": "a comparison of each column",
    "to_json": "the values as columns",
} | dict.fromkeys("text varchar bpchar int2 int4 int8 float4 float8 bool numeric".split(), "CAST")
# A function of Redshift's that the stand-in does not have -> what works in both.
_NOT_EMULATED = {
    "months_between": "DATEDIFF(month, …)",
    "next_day": "DATEADD and EXTRACT(dow FROM …)",
    "ratio_to_report": "x / SUM(x) OVER (…)",
    "json_extract_path_text": "columns of their own, filled by COPY's JSONPaths",
    "set_config": "SET",
    "sha1": "MD5",
    "sha2": "MD5",
    "sha": "MD5",
    "dexp": "EXP",
    "dlog1": "LN",
    "dlog10": "LOG",
    "date_cmp": "=, < and >",
    "timestamp_cmp": "=, < and >",
} | dict.fromkeys("""
    array array_concat array_flatten bpcharcmp bttext_pattern_cmp checksum collate crc32 difference
    farmfingerprint64 fnv_hash from_hex from_varbyte func_sha1 get_array_length hll
    is_array is_object is_valid_json is_valid_json_array json_array_length
    json_extract_array_element_text json_parse json_serialize json_typeof mapping murmur3_32_hash
    object octetindex pg_last_query_id slice_num soundex split_to_array strtol subarray timezone
    to_varbyte unnest user_name
""".split(), "")  # fmt: skip


def refuse_function(name: str) -> None:
    """Raise if Redshift or the stand-in does not have the function."""
    if name in SAME:
        return
    if name in _NOT_EMULATED:
        message = f"the stand-in does not emulate Redshift's function {name.upper()}"
        raise refusal(message, _NOT_EMULATED[name])
    message = f"the stand-in knows of no function {name.upper()} in Redshift"
    if name in _UNSUPPORTED:
        message = f"Redshift has no function {name.upper()}"  # c_unsupported-postgresql-functions
    raise refusal(message, _INSTEAD.get(name, ""), errors.UndefinedFunction)
