package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// The commands that look at jobs: a list, answered by JobList, and one, by Job.
const (
	CmdJobs = "jobs"
	CmdJob  = "job"
)

// Jobs asks for a list.
type Jobs struct {
	Filter fax.JobFilter `msgpack:"f"`
}

// Check implements Message.
func (j *Jobs) Check() error {
	var f fields
	f.text("the drawer", string(j.Filter.Drawer), fax.MaxName)
	f.count("the limit", j.Filter.Limit, MaxList)
	return f.err
}

// ByID asks for the one thing of that id; a unique beginning will do.
type ByID struct {
	ID string `msgpack:"id"`
}

// Check implements Message.
func (b *ByID) Check() error {
	var f fields
	f.id("the id", b.ID)
	return f.err
}

// Job is one job.
type Job struct {
	Job fax.Job `msgpack:"j"`
}

// Check implements Message.
func (j *Job) Check() error {
	var f fields
	f.job(&j.Job)
	return f.err
}

// JobList is a page of jobs.
type JobList struct {
	Jobs []fax.Job `msgpack:"i"`
}

// Check implements Message.
func (l *JobList) Check() error {
	var f fields
	for i := range l.Jobs {
		f.job(&l.Jobs[i])
	}
	return f.err
}
