CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.presets_e_enum AS ENUM (
    'a',
    'b,c'
);
CREATE TABLE public.presets (
    id integer NOT NULL,
    n integer DEFAULT 5,
    negative integer DEFAULT '-5'::integer NOT NULL,
    u numeric(20,0) DEFAULT '18446744073709551615'::numeric,
    dec_ numeric(10,2) DEFAULT 0.50 NOT NULL,
    f real DEFAULT 0.1,
    d double precision DEFAULT '10000000000'::bigint,
    v character varying(20) DEFAULT 'it''s'::character varying,
    empty character varying(20) DEFAULT ''::character varying NOT NULL,
    slash character varying(20) DEFAULT 'a\b'::character varying,
    odd character varying(20) DEFAULT '%s :x {y} $1'::character varying,
    word character varying(20) DEFAULT 'NULL'::character varying,
    now_ character varying(30) DEFAULT 'current_timestamp'::character varying,
    no character varying(9),
    more_lines character varying(20) DEFAULT 'a
b	c'::character varying,
    intro character varying(20) DEFAULT 'c'::character varying,
    intro1 character varying(20) DEFAULT 'e'::character varying,
    emoji character varying(20) DEFAULT '📷'::character varying,
    hex character varying(20) DEFAULT 'AB'::character varying,
    c character varying(5) DEFAULT 'ab'::character varying,
    b bigint DEFAULT 5,
    b1 boolean DEFAULT true,
    t boolean DEFAULT true,
    raw bytea DEFAULT '\x6162'::bytea,
    e public.presets_e_enum DEFAULT 'b,c'::public.presets_e_enum,
    s text[] DEFAULT ARRAY['a'::text, 'b'::text],
    y smallint DEFAULT 2024,
    day date DEFAULT '2024-02-29'::date,
    moment timestamp(0) without time zone DEFAULT '2024-01-01 10:00:00'::timestamp without time zone,
    fine timestamp(3) without time zone DEFAULT '2024-01-01 10:00:00.123'::timestamp without time zone,
    span interval DEFAULT '-25:00:00'::interval,
    instant timestamp(0) with time zone DEFAULT '2024-01-01 10:00:00+00'::timestamp with time zone,
    zero numeric(5,2) DEFAULT 0.00,
    CONSTRAINT presets_s_check CHECK ((s <@ ARRAY['a'::text, 'b'::text]))
);
ALTER TABLE ONLY public.presets
    ADD CONSTRAINT presets_pkey PRIMARY KEY (id);
