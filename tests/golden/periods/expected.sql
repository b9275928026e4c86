CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.rooms (
    id integer NOT NULL,
    s date NOT NULL,
    e date NOT NULL,
    CONSTRAINT stay CHECK ((s < e))
);
CREATE UNIQUE INDEX no_overlap ON public.rooms USING btree (id, e, s);
