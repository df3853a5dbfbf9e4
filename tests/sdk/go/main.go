// The client program for nacos-sdk-go/v2; the protocol is in ../harness.py.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

type instance struct {
	Ip        string            `json:"ip"`
	Port      uint64            `json:"port"`
	Weight    float64           `json:"weight"`
	Healthy   bool              `json:"healthy"`
	Enabled   bool              `json:"enabled"`
	Ephemeral bool              `json:"ephemeral"`
	Cluster   string            `json:"cluster"`
	Metadata  map[string]string `json:"metadata"`
}

type command struct {
	Id        int        `json:"id"`
	Op        string     `json:"op"`
	Service   string     `json:"service"`
	Group     string     `json:"group"`
	Instance  instance   `json:"instance"`
	Instances []instance `json:"instances"`
	Page      uint32     `json:"page"`
	PageSize  uint32     `json:"page_size"`
	DataId    string     `json:"data_id"`
	Content   string     `json:"content"`
	Md5       string     `json:"md5"`
	Cluster   string     `json:"cluster"`
	Type      string     `json:"type"`
	Ips       string     `json:"ips"`
}

type fields map[string]any

var (
	outputLock sync.Mutex
	output     *os.File
)

func say(message fields) {
	line, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	outputLock.Lock()
	defer outputLock.Unlock()
	if _, err := output.Write(append(line, '\n')); err != nil {
		os.Exit(1)
	}
}

func toLibrary(service, group string, one instance) vo.RegisterInstanceParam {
	return vo.RegisterInstanceParam{
		Ip: one.Ip, Port: one.Port, Weight: one.Weight, Healthy: one.Healthy, Enable: one.Enabled, Ephemeral: one.Ephemeral,
		ClusterName: one.Cluster, Metadata: one.Metadata, ServiceName: service, GroupName: group,
	}
}

func fromLibrary(several []model.Instance) []instance {
	result := []instance{}
	for _, one := range several {
		result = append(result, instance{
			Ip: one.Ip, Port: one.Port, Weight: one.Weight, Healthy: one.Healthy, Enabled: one.Enable, Ephemeral: one.Ephemeral,
			Cluster: one.ClusterName, Metadata: one.Metadata,
		})
	}
	return result
}

type program struct {
	naming naming_client.INamingClient
	config config_client.IConfigClient
	// The library takes away only what it was given.
	subscriptions map[string]*vo.SubscribeParam
}

func (p program) batchRegister(c command) (any, error) {
	param := vo.BatchRegisterInstanceParam{ServiceName: c.Service, GroupName: c.Group}
	for _, one := range c.Instances {
		param.Instances = append(param.Instances, toLibrary(c.Service, c.Group, one))
	}
	return p.naming.BatchRegisterInstance(param)
}

func (p program) selectHealthy(c command) (any, error) {
	found, err := p.naming.SelectInstances(vo.SelectInstancesParam{ServiceName: c.Service, GroupName: c.Group, HealthyOnly: true})
	return fromLibrary(found), err
}

func (p program) services(c command) (any, error) {
	found, err := p.naming.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: c.Group, PageNo: c.Page, PageSize: c.PageSize})
	return fields{"count": found.Count, "names": found.Doms}, err
}

func (p program) subscribe(c command) (any, error) {
	param := &vo.SubscribeParam{
		ServiceName: c.Service,
		GroupName:   c.Group,
		SubscribeCallback: func(told []model.Instance, err error) {
			if err == nil || len(told) == 0 {
				say(fields{"event": "instances", "service": c.Service, "group": c.Group, "instances": fromLibrary(told)})
			}
		},
	}
	p.subscriptions[c.Group+"@@"+c.Service] = param
	return true, p.naming.Subscribe(param)
}

func (p program) update(c command) (any, error) {
	one := c.Instance
	return p.naming.UpdateInstance(vo.UpdateInstanceParam{
		Ip: one.Ip, Port: one.Port, Weight: one.Weight, Healthy: one.Healthy, Enable: one.Enabled, Ephemeral: one.Ephemeral,
		ClusterName: one.Cluster, Metadata: one.Metadata, ServiceName: c.Service, GroupName: c.Group,
	})
}

func (p program) ofCluster(c command) (any, error) {
	found, err := p.naming.SelectAllInstances(vo.SelectAllInstancesParam{
		ServiceName: c.Service, GroupName: c.Group, Clusters: []string{c.Cluster},
	})
	return fromLibrary(found), err
}

func (p program) selectOne(c command) (any, error) {
	found, err := p.naming.SelectOneHealthyInstance(vo.SelectOneHealthInstanceParam{ServiceName: c.Service, GroupName: c.Group})
	if err != nil {
		return nil, err
	}
	return fromLibrary([]model.Instance{*found})[0], nil
}

func (p program) search(c command) (any, error) {
	found, err := p.config.SearchConfig(vo.SearchConfigParam{Search: "blur", DataId: c.DataId, Group: c.Group, PageNo: 1, PageSize: 100})
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, one := range found.PageItems {
		names = append(names, one.DataId)
	}
	return names, nil
}

func (p program) get(c command) (any, error) {
	content, err := p.config.GetConfig(vo.ConfigParam{DataId: c.DataId, Group: c.Group})
	if err == nil && content == "" {
		return nil, nil // the library's way to say that there is none
	}
	return content, err
}

func (p program) listen(c command) (any, error) {
	return true, p.config.ListenConfig(vo.ConfigParam{
		DataId: c.DataId,
		Group:  c.Group,
		OnChange: func(_, group, dataId, content string) {
			told := fields{"event": "config", "data_id": dataId, "group": group, "content": content}
			if content == "" {
				told["content"] = nil
			}
			say(told)
		},
	})
}

func (p program) do(c command) (any, error) {
	switch c.Op {
	case "register":
		return p.naming.RegisterInstance(toLibrary(c.Service, c.Group, c.Instance))
	case "batch_register":
		return p.batchRegister(c)
	case "update":
		return p.update(c)
	case "deregister":
		return p.naming.DeregisterInstance(vo.DeregisterInstanceParam{
			Ip: c.Instance.Ip, Port: c.Instance.Port, Cluster: c.Instance.Cluster, Ephemeral: c.Instance.Ephemeral,
			ServiceName: c.Service, GroupName: c.Group,
		})
	case "instances":
		found, err := p.naming.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: c.Service, GroupName: c.Group})
		return fromLibrary(found), err
	case "of_cluster":
		return p.ofCluster(c)
	case "select_one":
		return p.selectOne(c)
	case "select_healthy":
		return p.selectHealthy(c)
	case "services":
		return p.services(c)
	case "subscribe":
		return p.subscribe(c)
	case "unsubscribe":
		return true, p.naming.Unsubscribe(p.subscriptions[c.Group+"@@"+c.Service])
	case "server_is_up":
		return p.naming.ServerHealthy(), nil
	case "publish", "publish_cas", "publish_as", "publish_beta":
		return p.config.PublishConfig(vo.ConfigParam{
			DataId: c.DataId, Group: c.Group, Content: c.Content, CasMd5: c.Md5, Type: c.Type, BetaIps: c.Ips,
		})
	case "search":
		return p.search(c)
	case "get":
		return p.get(c)
	case "remove":
		return p.config.DeleteConfig(vo.ConfigParam{DataId: c.DataId, Group: c.Group})
	case "listen":
		return p.listen(c)
	case "unlisten":
		return true, p.config.CancelListenConfig(vo.ConfigParam{DataId: c.DataId, Group: c.Group})
	}
	return nil, fmt.Errorf("unknown operation %q", c.Op)
}

func connect(server, folder string) (program, error) {
	host, portText, err := net.SplitHostPort(server)
	if err != nil {
		return program{}, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return program{}, err
	}
	settings := constant.NewClientConfig(
		constant.WithTimeoutMs(5000),
		constant.WithCacheDir(filepath.Join(folder, "cache")),
		constant.WithLogDir(filepath.Join(folder, "log")),
		constant.WithNotLoadCacheAtStart(true),
		constant.WithUpdateCacheWhenEmpty(true),
		constant.WithDisableUseSnapShot(true),
	)
	param := vo.NacosClientParam{ClientConfig: settings, ServerConfigs: []constant.ServerConfig{*constant.NewServerConfig(host, port)}}
	naming, err := clients.NewNamingClient(param)
	if err != nil {
		return program{}, err
	}
	config, err := clients.NewConfigClient(param)
	return program{naming, config, map[string]*vo.SubscribeParam{}}, err
}

func main() {
	output, os.Stdout = os.Stdout, os.Stderr // what a library prints belongs to standard error
	p, err := connect(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	say(fields{"event": "ready"})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		result, err := p.do(c)
		if err != nil {
			say(fields{"id": c.Id, "ok": false, "error": err.Error()})
		} else {
			say(fields{"id": c.Id, "ok": true, "result": result})
		}
	}
}
