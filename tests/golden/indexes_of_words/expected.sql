CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.pages (
    id integer NOT NULL,
    title character varying(100),
    body text,
    code character varying(3)
);
ALTER TABLE ONLY public.pages
    ADD CONSTRAINT pages_pkey PRIMARY KEY (id);
CREATE INDEX codes ON public.pages USING gin (to_tsvector('simple'::regconfig, (COALESCE(code, ''::character varying))::text));
CREATE INDEX titles ON public.pages USING gin (to_tsvector('simple'::regconfig, (COALESCE(title, ''::character varying))::text));
CREATE INDEX words ON public.pages USING gin (to_tsvector('simple'::regconfig, (((COALESCE(title, ''::character varying))::text || ' '::text) || COALESCE(body, ''::text))));
