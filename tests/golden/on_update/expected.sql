CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE FUNCTION public.cutover_touch_pages() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$BEGIN IF NEW.changed IS NOT DISTINCT FROM OLD.changed THEN NEW.changed := CURRENT_TIMESTAMP; END IF; IF NEW.seen IS NOT DISTINCT FROM OLD.seen THEN NEW.seen := CURRENT_TIMESTAMP; END IF; IF NEW."Last ""Touch""" IS NOT DISTINCT FROM OLD."Last ""Touch""" THEN NEW."Last ""Touch""" := CURRENT_TIMESTAMP; END IF; RETURN NEW; END$$;
CREATE TABLE public.pages (
    id integer NOT NULL,
    body text,
    changed timestamp(0) with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    seen timestamp(6) without time zone,
    "Last ""Touch""" timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    doc json,
    place bytea
);
ALTER TABLE ONLY public.pages
    ADD CONSTRAINT pages_pkey PRIMARY KEY (id);
CREATE TRIGGER cutover_touch_pages BEFORE UPDATE ON public.pages FOR EACH ROW WHEN ((old.* *<> new.*)) EXECUTE FUNCTION public.cutover_touch_pages();
