// A shop: orders in memory. A device logs in with a code that the website shows to a user who is signed in there.
package main

import (
	"cmp"
	"crypto/rand"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

type session struct {
	ID        string `json:"device_session_id"`
	UserID    string `json:"user_id"`
	Key       string `json:"client_public_key"`
	Algorithm string `json:"client_key_algorithm"`
	Status    string `json:"status"`
}

type order struct {
	ID    string `json:"id"`
	Item  string `json:"item"`
	Count int    `json:"count"`
	owner string
}

type grant struct {
	userID  string
	expires time.Time
}

type shop struct {
	redis    *redis.Client
	mu       sync.Mutex // guards the fields below
	grants   map[string]grant
	sessions map[string]session
	orders   []order
	ordered  map[[2]string]order // by session and idempotency key
}

// createCode serves the website. The code is long: nothing else protects it from being guessed.
func (s *shop) createCode(w http.ResponseWriter, r *http.Request) {
	code := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants[code] = grant{r.PathValue("user"), time.Now().Add(5 * time.Minute)}
	reply(w, http.StatusCreated, map[string]string{"code": code})
}

func (s *shop) login(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Code      string `json:"code"`
		Key       string `json:"client_public_key"`
		Algorithm string `json:"client_key_algorithm"`
	}
	if !decode(w, r, &body) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, found := s.grants[body.Code]
	delete(s.grants, body.Code)
	if !found || time.Now().After(g.expires) {
		refuse(w, http.StatusUnprocessableEntity, "code_wrong")
		return
	}
	id := rand.Text()
	s.sessions[id] = session{id, g.userID, body.Key, cmp.Or(body.Algorithm, "EdDSA"), "active"}
	reply(w, http.StatusCreated, map[string]string{"device_session_id": id})
}

func (s *shop) session(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.sessions[r.PathValue("id")]; ok {
		reply(w, http.StatusOK, found)
	} else {
		refuse(w, http.StatusNotFound, "session_unknown")
	}
}

func (s *shop) list(w http.ResponseWriter, r *http.Request) {
	item := r.URL.Query().Get("item")
	mine := []order{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		if o.owner == r.Header.Get("X-User-Id") && (item == "" || item == o.Item) {
			mine = append(mine, o)
		}
	}
	reply(w, http.StatusOK, mine)
}

func (s *shop) create(w http.ResponseWriter, r *http.Request) {
	o := order{}
	if !decode(w, r, &o) {
		return
	}
	if o.Item == "" || o.Count < 1 {
		refuse(w, http.StatusUnprocessableEntity, "order_invalid")
		return
	}
	o.ID, o.owner = rand.Text(), r.Header.Get("X-User-Id")
	o = s.store(o, [2]string{r.Header.Get("X-Device-Session-Id"), r.Header.Get("Idempotency-Key")})
	if err := s.publish(r.Context(), o); err != nil {
		log.Print("event not published: ", err)
	}
	reply(w, http.StatusCreated, o)
}

// store returns the order of the first request with this key: a repeated command must not order twice.
func (s *shop) store(o order, key [2]string) order {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, repeated := s.ordered[key]; repeated {
		return known
	}
	s.orders, s.ordered[key] = append(s.orders, o), o
	return o
}

func main() {
	s := &shop{
		redis:  redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"}),
		grants: map[string]grant{}, sessions: map[string]session{}, ordered: map[[2]string]order{},
	}
	forGateway := http.NewServeMux()
	forGateway.HandleFunc("POST /device-logins", s.login)
	forGateway.HandleFunc("GET /internal/sessions/{id}", s.session)
	forGateway.HandleFunc("GET /api/orders", s.list)
	forGateway.HandleFunc("POST /api/orders", s.create)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /website/users/{user}/codes", onlyWith("website.token", s.createCode))
	mux.HandleFunc("/", onlyWith("backend.token", forGateway.ServeHTTP))
	server := &http.Server{Addr: "127.0.0.1:9000", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
