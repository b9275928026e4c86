CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public."it's" (
    id integer NOT NULL,
    bytes bytea DEFAULT '\xff00fe'::bytea NOT NULL,
    "wo`rd" character varying(9),
    since timestamp(6) without time zone NOT NULL,
    till timestamp(6) without time zone NOT NULL,
    CONSTRAINT "p`q" CHECK ((since < till))
);
CREATE TABLE public.plain (
    id integer NOT NULL,
    s date NOT NULL,
    e date NOT NULL,
    CONSTRAINT stay CHECK ((s < e))
);
CREATE TABLE public.rooms (
    id integer NOT NULL,
    s date NOT NULL,
    e date NOT NULL,
    CONSTRAINT stay CHECK ((s < e))
);
ALTER TABLE ONLY public."it's"
    ADD CONSTRAINT "it's_pkey" PRIMARY KEY (id, till, since);
ALTER TABLE ONLY public.plain
    ADD CONSTRAINT plain_pkey PRIMARY KEY (s, e);
CREATE UNIQUE INDEX by_end ON public.plain USING btree (id, e, s);
CREATE UNIQUE INDEX no_overlap ON public.rooms USING btree (id, e, s);
CREATE UNIQUE INDEX "u`v" ON public."it's" USING btree ("wo`rd", till, since);
