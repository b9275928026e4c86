CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE FUNCTION public.factorial(n bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
    "v_n" integer := $1;
    "v_result" bigint := 1;
BEGIN
    WHILE "v_n" > 1 LOOP
        "v_result" := "v_result" * "v_n"::bigint;
        "v_n" := "v_n"::bigint - 1;
    END LOOP;
    RETURN "v_result";
END
$_$;
CREATE FUNCTION public.greeting(name character varying) RETURNS character varying
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
    "v_name" varchar(20) := $1;
    "v_result" varchar(50);
BEGIN
    "v_result" := 'Hello, ' || "v_name" || '!';
    RETURN "v_result";
END
$_$;
CREATE FUNCTION public.price_of(which bigint) RETURNS numeric
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
    "v_which" integer := $1;
    "v_result" numeric(9,2);
    "rows" integer;
    "next_found" numeric(9,2);
    "v_found" numeric(9,2) := 0.00;
BEGIN
    "rows" := 0;
    FOR "next_found" IN SELECT "goods"."price" FROM "goods" WHERE "goods"."id" = "v_which" LOOP
        "rows" := "rows" + 1;
        IF "rows" > 1 THEN
            RAISE EXCEPTION USING ERRCODE = 'too_many_rows', MESSAGE = 'Result consisted of more than one row';
        END IF;
        "v_found" := "next_found";
    END LOOP;
    "v_result" := "v_found";
    RETURN "v_result";
END
$_$;
CREATE FUNCTION public.size_of(price numeric) RETURNS character varying
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
    "v_price" numeric(9,2) := $1;
    "v_result" varchar(5);
BEGIN
    CASE
        WHEN "v_price" > 2 THEN
            "v_result" := rtrim(CAST('big' AS text), ' ');
            RETURN "v_result";
        ELSE
            "v_result" := rtrim(CAST('small' AS text), ' ');
            RETURN "v_result";
    END CASE;
END
$_$;
CREATE FUNCTION public.total() RETURNS numeric
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    "v_result" numeric(9,2);
    "next_one" numeric(9,2);
    "v_done" integer := 0;
    "v_one" numeric(9,2) := 0;
    "v_whole" numeric(9,2) := 0;
    "c_prices" refcursor;
BEGIN
    OPEN "c_prices" NO SCROLL FOR SELECT "goods"."price" FROM "goods";
    <<"every">>
    LOOP
        FETCH "c_prices" INTO "next_one";
        IF FOUND THEN
            "v_one" := "next_one";
        ELSE
            "v_done" := 1;
        END IF;
        IF "v_done" <> 0 THEN
            EXIT "every";
        END IF;
        "v_whole" := "v_whole" + "v_one";
    END LOOP "every";
    CLOSE "c_prices";
    "v_result" := "v_whole";
    RETURN "v_result";
END
$$;
CREATE FUNCTION public.twice(n bigint) RETURNS integer
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
    "v_n" integer := $1;
BEGIN
    RETURN "v_n"::bigint * 2;
END
$_$;
CREATE TABLE public.goods (
    id integer NOT NULL,
    price numeric(9,2),
    name character varying(20)
);
ALTER TABLE ONLY public.goods
    ADD CONSTRAINT goods_pkey PRIMARY KEY (id);
